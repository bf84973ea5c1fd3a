/* The page for people: text is escaped, marks are markup, and the whole contract is on it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "openapi/document.h"
#include "openapi/operations.h"
#include "routes/docs_page.h"
#include "routes/docs_schema.h"
#include "routes/docs_text.h"
#include "server/base/cleanup.h"

static void check_inline(const char *text, const char *html)
{
        struct gw_buf out = GW_BUF_INIT(4096);
        gw_docs_inline(&out, text);
        assert_string_equal(out.data ? out.data : "", html);
        gw_buf_done(&out);
}

static void test_inline_text(void **state)
{
        (void)state;
        check_inline("", "");
        check_inline("a < b & \"c\"", "a &lt; b &amp; &quot;c&quot;");
        check_inline("use `<x>`", "use <code>&lt;x&gt;</code>");
        check_inline("**Ids** are", "<strong>Ids</strong> are");
        check_inline("`a**b**c`", "<code>a**b**c</code>");
        check_inline("one ` only", "one ` only");
        check_inline("2 ** 3", "2 ** 3");
        check_inline("a*b*", "a*b*");
}

static void test_paragraphs(void **state)
{
        (void)state;
        struct gw_buf out = GW_BUF_INIT(4096);
        gw_docs_markdown(&out, "one\ntwo\n\n\nthree\n");
        assert_string_equal(out.data, "<p>one\ntwo</p>\n<p>three\n</p>\n");
        gw_docs_markdown(&out, NULL);
        gw_buf_done(&out);
}

static void check_type(const char *schema, const char *html)
{
        json_auto_t *value = json_loads(schema, 0, NULL);
        struct gw_buf out = GW_BUF_INIT(4096);
        assert_non_null(value);
        gw_docs_type(&out, value);
        assert_string_equal(out.data, html);
        gw_buf_done(&out);
}

static void test_types_in_words(void **state)
{
        (void)state;
        check_type("{\"type\":\"integer\",\"minimum\":0,\"maximum\":240,\"default\":0}",
                   "integer, 0 to 240, default <code>0</code>");
        check_type("{\"$ref\":\"#/components/schemas/Id\"}", "<a href=\"#schema-Id\">Id</a>");
        check_type("{\"type\":\"array\",\"items\":{\"type\":\"string\"},\"maxItems\":6}",
                   "array of string, at most 6 items");
        check_type("{\"type\":[\"string\",\"null\"]}", "string or null");
        check_type("{\"anyOf\":[{\"type\":\"integer\"},{\"type\":\"string\"}]}",
                   "integer or string");
        check_type("{\"enum\":[\"a\",null]}", "one of <code>a</code>, <code>null</code>");
}

static void test_references(void **state)
{
        (void)state;
        json_auto_t *doc = json_loads("{\"a\":{\"b\":{\"c\":1}},\"r\":{\"$ref\":\"#/a/b\"},"
                                      "\"no\":{\"$ref\":\"#/a/x/y\"}}",
                                      0, NULL);
        json_t *b = json_object_get(json_object_get(doc, "a"), "b");
        assert_ptr_equal(gw_docs_resolve(doc, json_object_get(doc, "r")), b);
        assert_ptr_equal(gw_docs_resolve(doc, b), b);
        assert_null(gw_docs_resolve(doc, json_object_get(doc, "no")));
}

static void test_the_page_has_every_operation_and_schema(void **state)
{
        (void)state;
        json_auto_t *doc = json_loadb(gw_openapi_json, gw_openapi_json_len, 0, NULL);
        struct gw_buf out = GW_BUF_INIT(8 * 1024 * 1024);
        char needle[128];
        const char *name;
        json_t *schema;
        gw_docs_page(&out, doc);
        assert_true(gw_buf_ok(&out));
        for (size_t i = 0; i < gw_operation_count; i++) {
                snprintf(needle, sizeof needle, "<section id=\"%s\">", gw_operations[i].id);
                assert_non_null(strstr(out.data, needle));
        }
        json_object_foreach(json_object_get(json_object_get(doc, "components"), "schemas"), name,
                            schema)
        {
                snprintf(needle, sizeof needle, "<section id=\"schema-%s\">", name);
                assert_non_null(strstr(out.data, needle));
        }
        /* Nothing is loaded from anywhere. */
        assert_null(strstr(out.data, "<script"));
        assert_null(strstr(out.data, "<link"));
        assert_null(strstr(out.data, "src="));
        assert_null(strstr(out.data, "url("));
        gw_buf_done(&out);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_inline_text),
                cmocka_unit_test(test_paragraphs),
                cmocka_unit_test(test_types_in_words),
                cmocka_unit_test(test_references),
                cmocka_unit_test(test_the_page_has_every_operation_and_schema),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
