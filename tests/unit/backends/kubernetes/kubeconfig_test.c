/* Kubeconfigs, and what is refused of them. */
#include "backends/kubernetes/kubeconfig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/base/cleanup.h"
#include "server/base/limits.h"

#define SECRET "sesame-5f1c"

/* A kubeconfig of one cluster and one user, whose parts are flow mappings. */
#define CONFIG(cluster, user)                                                                      \
        "apiVersion: v1\nkind: Config\ncurrent-context: here\n"                                    \
        "contexts:\n- name: other\n  context: {cluster: none, user: none}\n"                       \
        "- name: here\n  context: {cluster: c, user: u, namespace: team-a}\n"                      \
        "- name: nobody\n  context: {cluster: c}\n"                                                \
        "clusters:\n- name: c\n  cluster: {server: 'https://10.0.0.1:6443'" cluster "}\n"          \
        "users:\n- name: u\n  user: {" user "}\n"

static char folder[] = "/tmp/jg-kubeconfig-XXXXXX";

static void write_file(const char *name, const char *text, size_t len)
{
        gw_autofree char *path = NULL;
        assert_true(asprintf(&path, "%s/%s", folder, name) > 0);
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        assert_int_equal(fwrite(text, 1, len, file), len);
        fclose(file);
}

static int parse(const char *text, const char *context, struct gw_k8s_access *ret,
                 struct gw_error *err)
{
        return gw_k8s_access_parse("config", text, strlen(text), folder, context, ret, err);
}

static void check_text(const char *text, const char *wanted)
{
        if (wanted)
                assert_string_equal(text, wanted);
        else
                assert_null(text);
}

static void it_has_inline_data(void **state)
{
        struct gw_k8s_access a;
        struct gw_error err = {0};
        (void)state;
        assert_int_equal(parse(CONFIG(", certificate-authority-data: Q0E=, tls-server-name: k8s",
                                      "client-certificate-data: Q1JU, client-key-data: S0VZ"),
                               NULL, &a, &err),
                         0);
        check_text(a.server, "https://10.0.0.1:6443");
        check_text(a.server_name, "k8s");
        check_text(a.ca, "CA");
        check_text(a.certificate, "CRT");
        check_text(a.key, "KEY");
        check_text(a.token, NULL);
        check_text(a.home, "team-a");
        gw_k8s_access_done(&a);
}

static void it_names_files(void **state)
{
        struct gw_k8s_access a;
        struct gw_error err = {0};
        (void)state;
        write_file("ca.crt", "CA\n", 3);
        write_file("token", SECRET "\n", strlen(SECRET) + 1);
        assert_int_equal(
                parse(CONFIG(", certificate-authority: ca.crt", "token: other, tokenFile: token"),
                      NULL, &a, &err),
                0);
        check_text(a.ca, "CA");
        check_text(a.token, SECRET);
        gw_k8s_access_done(&a);
        assert_int_equal(parse(CONFIG("", "tokenFile: absent"), NULL, &a, &err), -1);
        assert_int_equal(err.code, GW_ERR_IO);
}

static void inline_data_comes_before_files(void **state)
{
        struct gw_k8s_access a;
        struct gw_error err = {0};
        (void)state;
        write_file("ca.crt", "FILE\n", 5);
        assert_int_equal(parse(CONFIG(", certificate-authority-data: Q0E=, certificate-authority: "
                                      "ca.crt",
                                      ""),
                               NULL, &a, &err),
                         0);
        check_text(a.ca, "CA");
        gw_k8s_access_done(&a);
}

static void a_context_is_named_or_the_current(void **state)
{
        struct gw_k8s_access a;
        struct gw_error err = {0};
        (void)state;
        assert_int_equal(parse(CONFIG("", "token: " SECRET), "nobody", &a, &err), 0);
        check_text(a.token, NULL);
        check_text(a.home, NULL);
        gw_k8s_access_done(&a);
        assert_int_equal(parse(CONFIG("", "token: " SECRET), "other", &a, &err), -1);
        assert_non_null(strstr(err.message, "cluster \"none\""));
        err = (struct gw_error){0};
        assert_int_equal(parse(CONFIG("", ""), "absent", &a, &err), -1);
        assert_non_null(strstr(err.message, "context \"absent\""));
        err = (struct gw_error){0};
        assert_int_equal(parse("kind: Config\n", NULL, &a, &err), -1);
        assert_non_null(strstr(err.message, "current-context"));
}

static void what_it_may_not_have_is_named(void **state)
{
        static const struct {
                const char *text, *says;
        } rows[] = {
                {CONFIG("", "exec: {command: aws}"), "exec is not supported"},
                {CONFIG("", "auth-provider: {name: gcp}"), "auth-provider is not supported"},
                {CONFIG("", "username: a, password: " SECRET), "username is not supported"},
                {CONFIG("", "as: root"), "as is not supported"},
                {CONFIG("", "as-groups: [a]"), "as-groups is not supported"},
                {CONFIG(", insecure-skip-tls-verify: true", ""),
                 "insecure-skip-tls-verify is not supported"},
                {CONFIG(", proxy-url: 'http://p'", ""), "proxy-url is not supported"},
                {CONFIG("", "client-certificate-data: Q1JU"), "go together"},
                {CONFIG("", "token: [" SECRET "]"), "token is no text"},
                {CONFIG("", "client-key-data: '" SECRET "!'"), "client-key-data"},
                {CONFIG("", "client-key-data: AA=="), "client-key-data"},
                {"[]", "is no kubeconfig"},
                {"a: [", "config:"},
                {"", "is no kubeconfig"},
        };
        (void)state;
        for (size_t i = 0; i < GW_COUNT(rows); i++) {
                struct gw_k8s_access a;
                struct gw_error err = {0};
                assert_int_equal(parse(rows[i].text, NULL, &a, &err), -1);
                assert_int_equal(err.code, GW_ERR_INVALID);
                if (!strstr(err.message, rows[i].says))
                        fail_msg("%s does not say %s", err.message, rows[i].says);
                assert_null(strstr(err.message, SECRET));
                gw_k8s_access_done(&a);
        }
}

static void what_says_nothing_is_none(void **state)
{
        struct gw_k8s_access a;
        struct gw_error err = {0};
        (void)state;
        assert_int_equal(parse(CONFIG(", insecure-skip-tls-verify: false, proxy-url: ''",
                                      "exec: null, as-groups: [], token: ''"),
                               NULL, &a, &err),
                         0);
        check_text(a.token, NULL);
        gw_k8s_access_done(&a);
}

static void files_are_bounded(void **state)
{
        struct gw_k8s_access a;
        struct gw_error err = {0};
        char *large = malloc(GW_MAX_K8S_TOKEN_BYTES + 1);
        (void)state;
        assert_non_null(large);
        memset(large, 'x', GW_MAX_K8S_TOKEN_BYTES + 1);
        write_file("token", large, GW_MAX_K8S_TOKEN_BYTES);
        assert_int_equal(parse(CONFIG("", "tokenFile: token"), NULL, &a, &err), 0);
        gw_k8s_access_done(&a);
        write_file("token", large, GW_MAX_K8S_TOKEN_BYTES + 1);
        assert_int_equal(parse(CONFIG("", "tokenFile: token"), NULL, &a, &err), -1);
        assert_int_equal(err.code, GW_ERR_INVALID);
        write_file("token", "a\0b", 3);
        err = (struct gw_error){0};
        assert_int_equal(parse(CONFIG("", "tokenFile: token"), NULL, &a, &err), -1);
        assert_int_equal(err.code, GW_ERR_INVALID);
        free(large);
}

static void a_file_is_read_with_what_it_names(void **state)
{
        static const char text[] = CONFIG(", certificate-authority: ca.crt", "tokenFile: token");
        struct gw_k8s_access a;
        struct gw_error err = {0};
        gw_autofree char *path = NULL;
        (void)state;
        assert_true(asprintf(&path, "%s/config", folder) > 0);
        write_file("config", text, sizeof text - 1);
        write_file("ca.crt", "CA\n", 3);
        write_file("token", SECRET, strlen(SECRET));
        assert_int_equal(gw_k8s_access_read(path, NULL, &a, &err), 0);
        check_text(a.ca, "CA");
        check_text(a.token, SECRET);
        gw_k8s_access_done(&a);
        assert_int_equal(gw_k8s_access_read("/nowhere/config", NULL, &a, &err), -1);
        assert_int_equal(err.code, GW_ERR_IO);
}

static void a_pod_finds_it(void **state)
{
        struct gw_k8s_access a;
        struct gw_error err = {0};
        (void)state;
        write_file("ca.crt", "CA\n", 3);
        write_file("token", SECRET, strlen(SECRET));
        write_file("namespace", "team-a", 6);
        assert_int_equal(gw_k8s_access_in_cluster(folder, "10.96.0.1", "443", &a, &err), 0);
        check_text(a.server, "https://10.96.0.1:443");
        check_text(a.ca, "CA");
        check_text(a.token, SECRET);
        check_text(a.home, "team-a");
        gw_k8s_access_done(&a);
        assert_int_equal(gw_k8s_access_in_cluster(folder, "fd00::1", "443", &a, &err), 0);
        check_text(a.server, "https://[fd00::1]:443");
        gw_k8s_access_done(&a);
        assert_int_equal(gw_k8s_access_in_cluster("/nowhere", "h", "1", &a, &err), -1);
        assert_int_equal(err.code, GW_ERR_IO);
}

static int make_folder(void **state)
{
        (void)state;
        return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
        static const char *const names[] = {"ca.crt", "token", "namespace", "config"};
        (void)state;
        for (size_t i = 0; i < GW_COUNT(names); i++) {
                gw_autofree char *path = NULL;
                if (asprintf(&path, "%s/%s", folder, names[i]) > 0)
                        unlink(path);
        }
        return rmdir(folder);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(it_has_inline_data),
                cmocka_unit_test(it_names_files),
                cmocka_unit_test(inline_data_comes_before_files),
                cmocka_unit_test(a_context_is_named_or_the_current),
                cmocka_unit_test(what_it_may_not_have_is_named),
                cmocka_unit_test(what_says_nothing_is_none),
                cmocka_unit_test(files_are_bounded),
                cmocka_unit_test(a_file_is_read_with_what_it_names),
                cmocka_unit_test(a_pod_finds_it),
        };
        return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
