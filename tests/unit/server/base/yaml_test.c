#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/base/cleanup.h"
#include "server/base/limits.h"
#include "server/base/yaml.h"

static void gives(const char *yaml, const char *json)
{
        struct gw_error err = {0};
        json_auto_t *got = gw_yaml_parse("f", yaml, strlen(yaml), &err);
        if (!got)
                fail_msg("%s: %s", yaml, err.message);
        json_auto_t *want = json_loads(json, JSON_DECODE_ANY | JSON_DISABLE_EOF_CHECK, NULL);
        assert_non_null(want);
        if (!json_equal(got, want)) {
                char *text = json_dumps(got, JSON_ENCODE_ANY);
                fail_msg("%s gives %s, not %s", yaml, text, json);
        }
        assert_int_equal(err.code, GW_OK);
}

static void refused_n(const char *yaml, size_t len, const char *message)
{
        struct gw_error err = {0};
        json_t *got = gw_yaml_parse("f.yaml", yaml, len, &err);
        if (got)
                fail_msg("'%s' was taken", yaml);
        assert_int_equal(err.code, GW_ERR_INVALID);
        if (strncmp(err.message, message, strlen(message)) != 0)
                fail_msg("'%s': '%s' is not '%s'", yaml, err.message, message);
}

static void refused(const char *yaml, const char *message)
{
        refused_n(yaml, strlen(yaml), message);
}

static void words(void **state)
{
        (void)state;
        gives("[null, Null, NULL, ~, true, True, TRUE, false, False, FALSE]",
              "[null, null, null, null, true, true, true, false, false, false]");
        gives("a: ~\nb:\nc: null\nd: ''\n", "{\"a\":null,\"b\":null,\"c\":null,\"d\":\"\"}");
        gives("[nULL, tRUE, yes, no, on, off, y, n, ~x, '~', \"null\", 'true']",
              "[\"nULL\",\"tRUE\",\"yes\",\"no\",\"on\",\"off\",\"y\",\"n\",\"~x\",\"~\","
              "\"null\",\"true\"]");
        gives("a: |\n  ~\n", "{\"a\":\"~\\n\"}");
        gives("a: >-\n  true\n", "{\"a\":\"true\"}");
}

static void integers(void **state)
{
        (void)state;
        gives("[0, 7, -7, +7, 007, -0, 0o17, 0x1F, 0xff]", "[0, 7, -7, 7, 7, 0, 15, 31, 255]");
        gives("[9223372036854775807, -9223372036854775808]",
              "[9223372036854775807, -9223372036854775808]");
        gives("[0o8, 0xg, 0x, 0o, -0x1, 0b1, 1_000, '7', 1 2, 1:30, +]",
              "[\"0o8\",\"0xg\",\"0x\",\"0o\",\"-0x1\",\"0b1\",\"1_000\",\"7\",\"1 2\","
              "\"1:30\",\"+\"]");
        refused("a: 9223372036854775808", "f.yaml:1:4: the integer is out of range");
        refused("a: -9223372036854775809", "f.yaml:1:4: the integer is out of range");
        refused("a: 0xFFFFFFFFFFFFFFFFF", "f.yaml:1:4: the integer is out of range");
}

static void floats(void **state)
{
        (void)state;
        gives("[1.5, -1.5, +1.5, .5, 5., 1e3, 1E-3, -.5e+1]",
              "[1.5, -1.5, 1.5, 0.5, 5.0, 1000.0, 0.001, -5.0]");
        gives("[., e3, 1e, 1e+, 1.2.3, 1.e3x, .e1]",
              "[\".\",\"e3\",\"1e\",\"1e+\",\"1.2.3\",\"1.e3x\",\".e1\"]");
        refused("a: 1e999", "f.yaml:1:4: the number is out of range");
        refused("a: .inf", "f.yaml:1:4: neither infinity nor NaN is allowed");
        refused("a: -.INF", "f.yaml:1:4: neither");
        refused("a: .NaN", "f.yaml:1:4: neither");
        gives("a: '.nan'", "{\"a\":\".nan\"}");
}

static void strings(void **state)
{
        (void)state;
        gives("a: plain text # comment", "{\"a\":\"plain text\"}");
        gives("a: plain\n  folded", "{\"a\":\"plain folded\"}");
        gives("a: \"x\\ty\\u00e9\\U0001F600\"", "{\"a\":\"x\\ty\\u00e9\\ud83d\\ude00\"}");
        gives("a: 'it''s'", "{\"a\":\"it's\"}");
        gives("['''', '''''', 'a''''b''''''c''d''e']", "[\"'\",\"''\",\"a''b'''c'd'e\"]");
        gives("a: |\n  x\n   y\n", "{\"a\":\"x\\n y\\n\"}");
        gives("\xef\xbb\xbf"
              "a: \xc3\xa9",
              "{\"a\":\"\xc3\xa9\"}");
        gives("'quoted key': 1\n\"b\": 2\n3: 4\ntrue: 5\n~: 6",
              "{\"quoted key\":1,\"b\":2,\"3\":4,\"true\":5,\"~\":6}");
}

static void collections(void **state)
{
        (void)state;
        gives("{a: [1, {b: c}], d: {}}\n", "{\"a\":[1,{\"b\":\"c\"}],\"d\":{}}");
        gives("a:\n- 1\n-\n  - x\n- y: z\n", "{\"a\":[1,[\"x\"],{\"y\":\"z\"}]}");
        gives("{a, b: }", "{\"a\":null,\"b\":null}");
        gives("{\"json\": [1, 2.5, null]}", "{\"json\":[1,2.5,null]}");
        gives("text", "\"text\"");
        gives("%YAML 1.1\n---\na: yes\n...\n", "{\"a\":\"yes\"}");
}

static void empty_is_null(void **state)
{
        (void)state;
        gives("", "null");
        gives("# only a comment\n", "null");
        gives("---\n", "null");
        gives("\n\n", "null");
}

static void anchors(void **state)
{
        (void)state;
        gives("a: &x {k: [1]}\nb: *x\nc: [*x, *x]",
              "{\"a\":{\"k\":[1]},\"b\":{\"k\":[1]},\"c\":[{\"k\":[1]},{\"k\":[1]}]}");
        gives("a: &x ~\nb: *x\nc: &y\nd: *y", "{\"a\":null,\"b\":null,\"c\":null,\"d\":null}");
        gives("- &a x\n- *a\n- &a y\n- *a", "[\"x\",\"x\",\"y\",\"y\"]");
        refused("b: *nope", "f.yaml:1:5: no such anchor");
        refused("a: &x [*x]", "f.yaml:1:9: nested too deep");
        refused("*a : 1\nb: &a c", "f.yaml:1:2: a key must be");
}

static void copies_are_separate(void **state)
{
        (void)state;
        static const char text[] = "a: &x {k: 1}\nb: *x\nc:\n  <<: *x\n";
        json_auto_t *v = gw_yaml_parse("f", text, strlen(text), NULL);
        json_object_set_new(json_object_get(v, "a"), "k", json_integer(2));
        assert_int_equal(json_integer_value(json_object_get(json_object_get(v, "b"), "k")), 1);
        assert_int_equal(json_integer_value(json_object_get(json_object_get(v, "c"), "k")), 1);
}

static void merge_keys(void **state)
{
        (void)state;
        gives("x: &a {p: 1, q: 2}\ny: &b {q: 3, r: 4}\nz:\n  <<: *a\n  q: 9\nw:\n  r: 8\n"
              "  <<: [*a, *b]\nv: {<<: {s: 5}}",
              "{\"x\":{\"p\":1,\"q\":2},\"y\":{\"q\":3,\"r\":4},\"z\":{\"p\":1,\"q\":9},"
              "\"w\":{\"p\":1,\"q\":2,\"r\":8},\"v\":{\"s\":5}}");
        gives("'<<': 1", "{\"<<\":1}");
        refused("a:\n  <<: text", "f.yaml:2:7: << takes a mapping");
        refused("a: {<<: [{}, 1]}", "f.yaml:1:14: << takes a mapping");
}

static void duplicates(void **state)
{
        (void)state;
        refused("a: 1\nb: 2\na: 3", "f.yaml:3:1: duplicate key");
        refused("x:\n  \"a\": 1\n  a: 3", "f.yaml:3:3: duplicate key");
        refused("1: a\n'1': b", "f.yaml:2:2: duplicate key");
        refused("{a: 1, b: {c: 1, c: 2}}", "f.yaml:1:18: duplicate key");
        gives("1: a\n1.0: b", "{\"1\":\"a\",\"1.0\":\"b\"}");
}

static void syntax_errors_say_where(void **state)
{
        (void)state;
        refused("a: [1,2\nb: 3", "f.yaml:3:1: flow sequence without a closing bracket");
        refused("a: b: c", "f.yaml:1:");
        refused("a: 1\n b: 2", "f.yaml:1:4: invalid multiline plain key");
        refused("- a\n-b", "f.yaml:2:1: ");
        refused("a: 'open", "f.yaml:1:");
        refused("a: \"\\q\"", "f.yaml:1:");
        refused("a: \"\\ud800\"", "f.yaml:1:");
        refused("a: @x", "f.yaml:1:");
        refused("a: 1\n}", "f.yaml:2:");
        refused("a:\n\t- b", "f.yaml:2:");
        refused("a: 1\n---\nb: 2: 3", "f.yaml:3:");
}

static void one_document_only(void **state)
{
        (void)state;
        refused("a: 1\n---\nb: 2\n", "f.yaml: more than one document");
        refused("---\n...\n---\na", "f.yaml: more than one document");
}

static void several_documents(void **state)
{
        (void)state;
        static const char text[] = "a: 1\n---\n[b]\n---\n";
        struct gw_error err = {0};
        json_auto_t *documents = gw_yaml_parse_all("f", text, strlen(text), 3, &err);
        json_auto_t *wanted = json_pack("[{s:i}, [s], n]", "a", 1, "b");
        assert_true(json_equal(documents, wanted));
        json_auto_t *none = gw_yaml_parse_all("f", "", 0, 3, &err);
        assert_int_equal(json_array_size(none), 0);
        assert_non_null(none);
        assert_null(gw_yaml_parse_all("f", text, strlen(text), 2, &err));
        assert_string_equal(err.message, "f: more than 2 documents");
        err = (struct gw_error){0};
        assert_null(gw_yaml_parse_all("f", "a: 1\n---\nb: 2: 3", 17, 3, &err));
        assert_memory_equal(err.message, "f:3:", 4);
}

static void what_json_cannot_hold(void **state)
{
        (void)state;
        refused("? [1, 2]\n: 3", "f.yaml:1:4: a key must be");
        refused("a: 1\n? {b: c}\n: 3", "f.yaml:2:4: a key must be");
        refused("? \n: 3", "f.yaml:");
        refused("a: \"x\\0y\"", "f.yaml:1:5: the text holds a NUL");
        refused("\"\\0\": 1", "f.yaml:1:2: the text holds a NUL");
}

static void tags(void **state)
{
        (void)state;
        gives("a: !!str 12\nb: !!str\nc: ! 5\nd: !!map {x: 1}\ne: !!seq [1]\nf: !!str ~",
              "{\"a\":\"12\",\"b\":\"\",\"c\":\"5\",\"d\":{\"x\":1},\"e\":[1],\"f\":\"~\"}");
        refused("a: !!int \"12\"", "f.yaml:1:11: this tag is not supported");
        refused("a: !foo bar", "f.yaml:1:9: this tag is not supported");
        refused("a: !!binary aGk=", "f.yaml:1:13: this tag is not supported");
        refused("a: !foo [1]", "f.yaml:1:10: this tag is not supported");
        refused("a: !!str [1]", "f.yaml:1:11: this tag is not supported");
        refused("a: !!map x", "f.yaml:1:");
}

static void bytes(void **state)
{
        (void)state;
        refused("a: 1\nb: \xff", "f.yaml:2:4: not UTF-8");
        refused("a: \xc3\xa9\xed\xa0\x80", "f.yaml:1:5: not UTF-8");
        refused("a: \xc3", "f.yaml:1:4: not UTF-8");
        refused_n("a: 1\0", 5, "f.yaml:1:5: not UTF-8");
        refused("a: \x01", "f.yaml:1:4: a control character");
        refused("a: \x7f", "f.yaml:1:4: a control character");
        refused("a: \xc2\x84", "f.yaml:1:4: a control character");
        refused("a: \xc2\x9f", "f.yaml:1:4: a control character");
        gives("a: \xc2\xa0", "{\"a\":\"\xc2\xa0\"}");
        refused("a: \xef\xbf\xbf", "f.yaml:1:4: a control character");
        refused("\x1b[31m: 1", "f.yaml:1:1: a control character");
        gives("a: \"x\xc2\x85y\"", "{\"a\":\"x\xc2\x85y\"}");
        gives("a: 1\r\nb: 2\r\n", "{\"a\":1,\"b\":2}");
        gives("a: \xef\xbf\xbd", "{\"a\":\"\xef\xbf\xbd\"}");
}

static char *brackets(int depth)
{
        char *text = calloc(2, (size_t)depth + 1);
        assert_non_null(text);
        memset(text, '[', (size_t)depth);
        memset(text + depth, ']', (size_t)depth);
        return text;
}

static void nesting(void **state)
{
        (void)state;
        gw_autofree char *deepest = brackets(GW_MAX_JSON_DEPTH);
        gives(deepest, deepest);
        gw_autofree char *deeper = brackets(GW_MAX_JSON_DEPTH + 1);
        refused(deeper, "f.yaml:1:1: nested too deep");
        gw_autofree char *far = brackets(100);
        refused(far, "f.yaml:1:");
        gw_autofree char *absurd = brackets(100000);
        refused(absurd, "f.yaml:1:");
}

/* Exactly the bound, and one more. */
static void aliases_are_bounded(void **state)
{
        (void)state;
        char *text = calloc(GW_MAX_YAML_ALIASES + 4, 5);
        assert_non_null(text);
        strcpy(text, "- &x 1\n");
        char *end = text + strlen(text);
        for (int i = 0; i < GW_MAX_YAML_ALIASES; i++)
                end = stpcpy(end, "- *x\n");
        json_auto_t *v = gw_yaml_parse("f", text, strlen(text), NULL);
        assert_int_equal(json_array_size(v), GW_MAX_YAML_ALIASES + 1);
        strcpy(end, "- *x");
        refused(text, "f.yaml:1002:4: too many aliases");
        free(text);
}

static void aliases_expand_to_a_bound(void **state)
{
        (void)state;
        char bomb[2000] = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n";
        for (int i = 1; i < 10; i++) {
                char line[100];
                snprintf(line, sizeof line,
                         "a%d: &a%d [*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d]\n", i, i,
                         i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
                strcat(bomb, line);
        }
        refused(bomb, "f.yaml:2:19: too many aliases");
}

/* The sequence and its items: exactly the bound, and one more. */
static void size_is_bounded(void **state)
{
        (void)state;
        size_t items = GW_MAX_YAML_NODES - 1;
        gw_autofree char *text = calloc(1, (items + 1) * 4 + 1);
        assert_non_null(text);
        for (size_t i = 0; i < items; i++)
                memcpy(text + i * 4, "- x\n", 4);
        json_auto_t *v = gw_yaml_parse("f", text, items * 4, NULL);
        assert_int_equal(json_array_size(v), items);
        memcpy(text + items * 4, "- x\n", 4);
        refused_n(text, (items + 1) * 4, "f.yaml:100000:3: the document is too large");
}

/* Nine texts of a mebibyte, of which eight are aliases: over the eight that are allowed, and
 * with one less just within. */
static void text_is_bounded(void **state)
{
        (void)state;
        static const char tail[] = "', *x, *x, *x, *x, *x, *x, *x, *x]";
        size_t head = strlen("[&x '"), text = 1024 * 1024, len = head + text + strlen(tail);
        gw_autofree char *yaml = malloc(len + 1);
        assert_non_null(yaml);
        memcpy(yaml, "[&x '", head);
        memset(yaml + head, 'y', text);
        memcpy(yaml + head + text, tail, sizeof tail);
        refused_n(yaml, len, "f.yaml:1:1048614: the document is too large");
        memcpy(yaml + len - 5, "]   ", 4);
        yaml[len - 1] = ' ';
        json_auto_t *v = gw_yaml_parse("f", yaml, len, NULL);
        assert_int_equal(json_array_size(v), 8);
}

/* Texts of many lines and escapes: a leak in them is the sanitizer's to see. */
static void texts_of_many_parts(void **state)
{
        (void)state;
        char quotes[600] = "'", lines[700] = "|\n";
        for (int i = 0; i < 200; i++) {
                strcat(quotes, "''");
                strcat(lines, " x\n");
        }
        strcat(quotes, "'");
        json_auto_t *v = gw_yaml_parse("f", quotes, strlen(quotes), NULL);
        assert_int_equal(json_string_length(v), 200);
        json_auto_t *w = gw_yaml_parse("f", lines, strlen(lines), NULL);
        assert_int_equal(json_string_length(w), 400);
}

static void length_is_respected(void **state)
{
        (void)state;
        static const char text[] = {'a', ':', ' ', '1', '2', '3'};
        gw_autofree char *exact = malloc(sizeof text);
        assert_non_null(exact);
        memcpy(exact, text, sizeof text);
        json_auto_t *v = gw_yaml_parse("f", exact, 4, NULL);
        assert_int_equal(json_integer_value(json_object_get(v, "a")), 1);
        json_auto_t *w = gw_yaml_parse("f", exact, sizeof text, NULL);
        assert_int_equal(json_integer_value(json_object_get(w, "a")), 123);
}

static void prints_nothing(void **state)
{
        (void)state;
        FILE *capture = tmpfile();
        int saved = dup(STDERR_FILENO);
        fflush(stderr);
        dup2(fileno(capture), STDERR_FILENO);
        json_t *a = gw_yaml_parse("f", "a: [", 4, NULL);
        json_t *b = gw_yaml_parse("f", "a: *x", 5, NULL);
        fflush(stderr);
        dup2(saved, STDERR_FILENO);
        close(saved);
        assert_null(a);
        assert_null(b);
        assert_int_equal(lseek(fileno(capture), 0, SEEK_END), 0);
        fclose(capture);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(words),
                cmocka_unit_test(integers),
                cmocka_unit_test(floats),
                cmocka_unit_test(strings),
                cmocka_unit_test(collections),
                cmocka_unit_test(empty_is_null),
                cmocka_unit_test(anchors),
                cmocka_unit_test(copies_are_separate),
                cmocka_unit_test(merge_keys),
                cmocka_unit_test(duplicates),
                cmocka_unit_test(syntax_errors_say_where),
                cmocka_unit_test(one_document_only),
                cmocka_unit_test(several_documents),
                cmocka_unit_test(what_json_cannot_hold),
                cmocka_unit_test(tags),
                cmocka_unit_test(bytes),
                cmocka_unit_test(nesting),
                cmocka_unit_test(aliases_are_bounded),
                cmocka_unit_test(aliases_expand_to_a_bound),
                cmocka_unit_test(size_is_bounded),
                cmocka_unit_test(text_is_bounded),
                cmocka_unit_test(texts_of_many_parts),
                cmocka_unit_test(length_is_respected),
                cmocka_unit_test(prints_nothing),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
