/* Settings: each is read, each mistake names the setting; and the script a job becomes. */
#include <pwd.h>

#include "tests/unit/backends/local/rig.h"

static struct rig *rig;

static int set_up(void **state)
{
        (void)state;
        rig = rig_new("{\"url\": \"http://localhost:8000\", \"gpus\": 2, \"cpus\": \"1500m\", "
                      "\"memory\": 1048576, \"grace\": 3}");
        rig_lead(rig, NULL, 0);
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        rig_free(rig);
        return 0;
}

static void they_are_offered(void **state)
{
        (void)state;
        json_error_t error;
        json_auto_t *offer = json_loads(rig->offer, 0, &error);
        double cpus;
        json_int_t memory, gpus;
        const char *node;
        assert_int_equal(json_unpack(offer, "{s:{s:F, s:I, s:I}, s:s}", "total", "cpus", &cpus,
                                     "memory", &memory, "gpus", &gpus, "node", &node),
                         0);
        assert_true(cpus > 1.49 && cpus < 1.51);
        assert_int_equal(memory, 1048576);
        assert_int_equal(gpus, 2);
        assert_true(node[0]);
}

static void mistakes_name_the_setting(void **state)
{
        (void)state;
        static const struct {
                const char *change, *words;
        } cases[] = {
                {"{\"direcory\": \"/x\"}", "did you mean directory?"},
                {"{\"colour\": \"red\"}", "no setting colour"},
                {"{\"directory\": \"spool\"}", "directory: must be an absolute path"},
                {"{\"directory\": null}", "directory: "},
                {"{\"directory\": \"/no/such/parent/spool\"}", "directory: "},
                {"{\"cpus\": \"2x\"}", "cpus: "},
                {"{\"cpus\": -1}", "cpus: "},
                {"{\"cpus\": true}", "cpus: "},
                {"{\"memory\": \"64 GB\"}", "memory: "},
                {"{\"memory\": -1}", "memory: "},
                {"{\"gpus\": 65}", "gpus: must be a whole number from 0 to 64"},
                {"{\"gpus\": \"2\"}", "gpus: "},
                {"{\"grace\": \"soon\"}", "grace: "},
                {"{\"grace\": 3601}", "grace: must be between 0 and 3600 seconds"},
                {"{\"grace\": 1.5}", "grace: "},
                {"{\"shim\": \"/no/such/shim\"}", "shim: /no/such/shim cannot be run"},
                {"{\"url\": \"\"}", "url: "},
                {"{\"user\": \"no-such-user\"}", "user: there is no user no-such-user"},
                {"{\"user\": \"root\"}", "user: jobs never run as root"},
        };
        for (size_t i = 0; i < GW_COUNT(cases); i++) {
                json_auto_t *settings = json_deep_copy(rig->settings);
                json_auto_t *change = json_loads(cases[i].change, 0, NULL);
                json_object_update(settings, change);
                struct gw_error err = {0};
                const struct gw_backend_host host = {.self = rig};
                assert_null(rig->b->type->open("here", settings, &host, &err));
                assert_int_not_equal(err.code, GW_OK);
                if (!strstr(err.message, cases[i].words))
                        fail_msg("%s: %s", cases[i].change, err.message);
        }
}

static void all_are_described(void **state)
{
        (void)state;
        static const char *const names[] = {"directory", "cpus",  "memory", "gpus",
                                            "user",      "grace", "url",    "shim"};
        struct gw_backend_setting s;
        size_t i = 0;
        for (; rig->b->type->setting(i, &s); i++) {
                assert_true(i < GW_COUNT(names));
                assert_string_equal(s.name, names[i]);
                assert_true(s.value[0] && s.help[0] && strcmp(s.help, s.value) != 0);
                assert_int_equal(s.preset == NULL, i == 0);
        }
        assert_int_equal(i, GW_COUNT(names));
}

static void root_needs_a_user(void **state)
{
        (void)state;
        if (geteuid() != 0)
                skip();
        json_auto_t *settings = json_deep_copy(rig->settings);
        json_object_del(settings, "user");
        struct gw_error err = {0};
        const struct gw_backend_host host = {.self = rig};
        assert_null(rig->b->type->open("here", settings, &host, &err));
        assert_non_null(strstr(err.message, "user: a user is needed"));
}

static void the_users_way_to_the_spool_is_checked(void **state)
{
        (void)state;
        if (geteuid() != 0)
                skip();
        char closed[256];
        snprintf(closed, sizeof closed, "%s/closed", rig->directory);
        assert_int_equal(mkdir(closed, 0700), 0);
        json_auto_t *settings = json_deep_copy(rig->settings);
        json_object_set_new(settings, "directory", json_sprintf("%s/spool", closed));
        struct gw_error err = {0};
        const struct gw_backend_host host = {.self = rig};
        assert_null(rig->b->type->open("here", settings, &host, &err));
        assert_non_null(strstr(err.message, "may not pass through"));
        assert_non_null(strstr(err.message, closed));
        chmod(closed, 0711);
        struct gw_backend *b = rig->b->type->open("here", settings, &host, &err);
        assert_non_null(b);
        b->type->close(b);
}

static void jobs_get_the_url(void **state)
{
        (void)state;
        struct gw_mark mark = rig_submit(
                rig,
                "{\"command\": [\"printenv\", \"JOBGATE_URL\"], \"resources\": {\"cpus\": 1}}");
        rig_wait_phase(rig, mark, GW_PHASE_ENDED);
        rig_assert_output(rig, mark, "out", "http://localhost:8000\n");
}

#define ID "0190163d-8694-739b-aea5-966c26f8ad91"

static void assert_rendered(const char *spec, const char *expected)
{
        struct gw_mark mark = {.number = 2};
        gw_id_parse(ID, &mark.job);
        struct gw_submission s = rig_submission(mark, spec);
        s.name = "my\njob";
        struct gw_error err = {0};
        for (int i = 0; i < 2; i++) { /* the same twice */
                struct gw_buf out = GW_BUF_INIT(100000);
                if (rig->b->type->render(rig->b, &s, &out, &err))
                        fail_msg("render: %s", err.message);
                assert_string_equal(out.data, expected);
                gw_buf_done(&out);
        }
}

static void renders_a_command(void **state)
{
        (void)state;
        char expected[2048];
        snprintf(
                expected, sizeof expected,
                "#!/bin/sh\n# jobgate: " ID ".2\n# name: my job\n# user: %s\n# cpus: 1500m\n"
                "# memory: 1Gi\n# gpus: 1\n# time limit: 1h\n"
                "export PATH='/usr/local/bin:/usr/bin:/bin'\nexport LANG='C.UTF-8'\n"
                "export B='it'\\''s'\nexport A='x\ny'\n"
                "export JOBGATE_URL='http://localhost:8000'\nexport JOBGATE_JOB_ID='" ID "'\n"
                "export JOBGATE_ATTEMPT='1'\nexport JOBGATE_TASK_INDEX='0'\ncd -- '/data' || exit\n"
                "eval 'module load x' || exit\nexec 'python' 'a b.py' ''\n",
                geteuid() == 0 ? JOB_USER : getpwuid(geteuid())->pw_name);
        assert_rendered("{\"command\": [\"python\", \"a b.py\", \"\"], \"setup\": [\"module load "
                        "x\"], \"environment\": {\"B\": \"it's\", \"A\": \"x\\ny\"}, "
                        "\"working_directory\": \"/data\", \"time_limit\": 3600, \"resources\": "
                        "{\"cpus\": 1.5, \"memory\": \"1Gi\", \"gpus\": 1}}",
                        expected);
}

static void renders_a_script_as_it_is(void **state)
{
        (void)state;
        struct gw_submission s =
                rig_submission(rig_mark(), "{\"script\": \"#!/bin/bash\\r\\necho 'x' $Y\\n\"}");
        struct gw_buf out = GW_BUF_INIT(100000);
        struct gw_error err = {0};
        assert_int_equal(rig->b->type->render(rig->b, &s, &out, &err), 0);
        const char *end = "first line:\n#!/bin/bash\r\necho 'x' $Y\n";
        assert_string_equal(out.data + out.len - strlen(end), end);
        assert_non_null(strstr(out.data, "# memory: no limit\n"));
        assert_non_null(strstr(out.data, "# time limit: none\n"));
        gw_buf_done(&out);
}

static void renders_an_array_as_one_script(void **state)
{
        (void)state;
        static const struct gw_span all = {0, 3};
        struct gw_submission s =
                rig_submission(rig_mark(), "{\"command\": [\"true\"], \"array\": {\"matrix\": "
                                           "{\"lr\": [1, 2], \"seed\": [3, 4]}}}");
        s.index_set = "0-3";
        s.spans = &all;
        struct gw_buf out = GW_BUF_INIT(100000);
        struct gw_error err = {0};
        assert_int_equal(rig->b->type->render(rig->b, &s, &out, &err), 0);
        assert_non_null(strstr(out.data, "\n# array: 0-3\n"));
        assert_non_null(
                strstr(out.data, "\n# and of each task its own: JOBGATE_TASK_INDEX, lr, seed\n"));
        assert_null(strstr(out.data, "export JOBGATE_TASK_INDEX"));
        gw_buf_done(&out);
}

static void a_rendered_script_is_a_script(void **state)
{
        (void)state;
        struct gw_submission s = rig_submission(
                rig_mark(), "{\"command\": [\"sh\", \"-c\", \"echo \\\"$1|$A\\\"\", \"sh\", \"it's "
                            "$HOME\"], \"environment\": {\"A\": \"'q' \\\"\\\\\"}}");
        struct gw_buf out = GW_BUF_INIT(100000);
        struct gw_error err = {0};
        assert_int_equal(rig->b->type->render(rig->b, &s, &out, &err), 0);
        char path[256], line[256] = "";
        snprintf(path, sizeof path, "%s/script", rig->directory);
        FILE *f = fopen(path, "we");
        fwrite(out.data, 1, out.len, f);
        fclose(f);
        gw_buf_done(&out);
        char command[300];
        snprintf(command, sizeof command, "sh %s", path);
        f = popen(command, "re");
        assert_non_null(fgets(line, sizeof line, f));
        pclose(f);
        assert_string_equal(line, "it's $HOME|'q' \"\\\n");
}

static void what_cannot_be_carried_is_not_rendered(void **state)
{
        (void)state;
        static const struct {
                const char *spec, *pointer;
        } cases[] = {
                {"{\"image\": \"x\", \"command\": [\"true\"]}", "/image"},
                {"{\"secrets\": {\"A\": \"b\"}, \"command\": [\"true\"]}", "/secrets"},
                {"{\"volumes\": [{\"name\": \"v\"}], \"command\": [\"true\"]}", "/volumes"},
                {"{\"resources\": {\"nodes\": 2}, \"command\": [\"true\"]}", "/resources/nodes"},
                {"{\"resources\": {\"tasks_per_node\": 2}, \"command\": [\"true\"]}",
                 "/resources/tasks_per_node"},
                {"{\"node_selector\": {\"zone\": \"a\"}, \"command\": [\"true\"]}",
                 "/node_selector"},
        };
        for (size_t i = 0; i < GW_COUNT(cases); i++) {
                struct gw_submission s = rig_submission(rig_mark(), cases[i].spec);
                struct gw_buf out = GW_BUF_INIT(100000);
                struct gw_error err = {0};
                assert_int_equal(rig->b->type->render(rig->b, &s, &out, &err), -1);
                assert_int_equal(err.code, GW_ERR_UNPROCESSABLE);
                assert_string_equal(err.pointer, cases[i].pointer);
                gw_buf_done(&out);
        }
        /* What says nothing is no reason. */
        struct gw_submission s = rig_submission(
                rig_mark(), "{\"secrets\": {}, \"volumes\": [], \"image\": null, \"resources\": "
                            "{\"nodes\": 1}, \"command\": [\"true\"]}");
        struct gw_buf out = GW_BUF_INIT(100000);
        struct gw_error err = {0};
        assert_int_equal(rig->b->type->render(rig->b, &s, &out, &err), 0);
        gw_buf_done(&out);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(they_are_offered),
                cmocka_unit_test(all_are_described),
                cmocka_unit_test(mistakes_name_the_setting),
                cmocka_unit_test(root_needs_a_user),
                cmocka_unit_test(the_users_way_to_the_spool_is_checked),
                cmocka_unit_test(jobs_get_the_url),
                cmocka_unit_test(renders_a_command),
                cmocka_unit_test(renders_a_script_as_it_is),
                cmocka_unit_test(renders_an_array_as_one_script),
                cmocka_unit_test(a_rendered_script_is_a_script),
                cmocka_unit_test(what_cannot_be_carried_is_not_rendered),
        };
        return cmocka_run_group_tests(tests, set_up, tear_down);
}
