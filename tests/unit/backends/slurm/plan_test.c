/* Spec to sbatch's options, script and environment. */
#include "backends/slurm/plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "openapi/schemas.h"
#include "server/base/cleanup.h"
#include "server/model/decode.h"

#define MARK "0190a5d8-7c00-7000-8000-000000000001.3"

static struct gw_submission submission_of(const char *spec)
{
        struct gw_submission s = {.spec = spec,
                                  .spec_len = strlen(spec),
                                  .attempt = 2,
                                  .send_before = 1764000000000000};
        assert_int_equal(gw_mark_parse(MARK, &s.mark), 0);
        return s;
}

/* As it is in the record; the caller's. */
static char *resolve(const char *text)
{
        struct gw_faults faults;
        struct gw_spec spec = {0};
        json_auto_t *json = json_loads(text, 0, NULL);
        gw_faults_init(&faults);
        if (gw_decode(&gw_schema_JobSpec, json, "", &faults) ||
            gw_spec_resolve(json, true, 0, &spec, NULL, &faults))
                fail_msg("%s: %s", faults.items[0].pointer, faults.items[0].detail);
        char *resolved = strdup(spec.text);
        gw_spec_done(&spec);
        return resolved;
}

static int init_plan(struct gw_slurm_plan *plan, const char *text,
                     const struct gw_slurm_identity *identity, struct gw_error *err)
{
        gw_autofree char *spec = resolve(text);
        struct gw_submission s = submission_of(spec);
        static const struct gw_slurm_site site = {0};
        return gw_slurm_plan_init(plan, &s, identity, &site, 1001, err);
}

static struct gw_slurm_plan plan_of(const char *spec)
{
        static const struct gw_slurm_identity identity = {"ada", "research"};
        struct gw_slurm_plan plan;
        struct gw_error err = {0};
        if (init_plan(&plan, spec, &identity, &err))
                fail_msg("%s: %s", err.pointer, err.message);
        return plan;
}

/* ---- options --------------------------------------------------------------------------------- */

static void fields_become_options(void **state)
{
        (void)state;
        static const struct {
                const char *spec, *options;
        } cases[] = {
                {"{}", "{}"},
                {"{\"queue\": \"low\"}", "{\"partition\": \"low\"}"},
                {"{\"resources\": {\"cpus\": 4}}", "{\"cpus-per-task\": \"4\"}"},
                {"{\"resources\": {\"cpus\": 0.5}}", "{\"cpus-per-task\": \"1\"}"},
                {"{\"resources\": {\"cpus\": \"2500m\"}}", "{\"cpus-per-task\": \"3\"}"},
                {"{\"resources\": {\"memory\": \"2Gi\"}}", "{\"mem\": \"2048M\"}"},
                {"{\"resources\": {\"memory\": 1}}", "{\"mem\": \"1M\"}"},
                {"{\"resources\": {\"memory\": 1048577}}", "{\"mem\": \"2M\"}"},
                {"{\"resources\": {\"gpus\": 2}}",
                 "{\"gres\": \"gpu:2\", \"cpus-per-task\": \"8\", \"mem\": \"16384M\"}"},
                {"{\"resources\": {\"gpus\": 2, \"gpu_type\": \"a100\"}}",
                 "{\"gres\": \"gpu:a100:2\", \"cpus-per-task\": \"8\", \"mem\": \"16384M\"}"},
                {"{\"time_limit\": 90}", "{\"time\": \"0-00:01:30\"}"},
                {"{\"time_limit\": \"25h\"}", "{\"time\": \"1-01:00:00\"}"},
                {"{\"priority\": -5}", "{\"nice\": \"5\"}"},
                {"{\"priority\": 5}", "{}"},
        };
        for (size_t i = 0; i < GW_COUNT(cases); i++) {
                json_auto_t *spec = json_loads(cases[i].spec, 0, NULL);
                json_auto_t *wanted = json_pack("{s:s, s:s, s:s}", "account", "research",
                                                "cpus-per-task", "1", "mem", "1024M");
                json_auto_t *more = json_loads(cases[i].options, 0, NULL);
                json_object_set_new(spec, "name", json_string("a"));
                json_object_set_new(spec, "command", json_pack("[s]", "true"));
                json_object_update(wanted, more);
                gw_autofree char *text = json_dumps(spec, 0);
                struct gw_slurm_plan plan = plan_of(text);
                gw_autofree char *found = json_dumps(plan.options, JSON_SORT_KEYS);
                gw_autofree char *expected = json_dumps(wanted, JSON_SORT_KEYS);
                assert_string_equal(found, expected);
                gw_slurm_plan_done(&plan);
        }
}

/* ---- scripts --------------------------------------------------------------------------------- */

/* What the shell makes of a script, fed with its text. */
static void run(const char *script, char *out, size_t size)
{
        char path[] = "/tmp/jg-plan-XXXXXX", command[64];
        int fd = mkstemp(path);
        assert_int_equal(write(fd, script, strlen(script)), (ssize_t)strlen(script));
        assert_int_equal(fchmod(fd, 0700), 0);
        close(fd);
        snprintf(command, sizeof command, "%s 2>&1", path);
        FILE *f = popen(command, "r");
        size_t n = fread(out, 1, size - 1, f);
        out[n] = '\0';
        int status = pclose(f);
        snprintf(out + n, size - n, "%d\n", WEXITSTATUS(status));
        unlink(path);
}

static void check_run(const char *spec, const char *wanted)
{
        char out[512];
        struct gw_slurm_plan plan = plan_of(spec);
        run(plan.script, out, sizeof out);
        assert_string_equal(out, wanted);
        gw_slurm_plan_done(&plan);
}

static void scripts_do_what_the_spec_says(void **state)
{
        (void)state;
        check_run("{\"name\": \"a\", \"command\": [\"echo\", \"it's\", \"$HOME `id`\\n\", \"\"]}",
                  "it's $HOME `id`\n \n0\n");
        check_run("{\"name\": \"a\", \"command\": [\"sh\", \"-c\", \"exit 3\"]}", "3\n");
        check_run("{\"name\": \"a\", \"script\": \"#!/bin/sh\\necho one\\n\"}", "one\n0\n");
        check_run("{\"name\": \"a\", \"script\": \"#!/usr/bin/env python3\\nprint(1 + 1)\"}",
                  "2\n0\n");
        check_run("{\"name\": \"a\", \"script\": \"echo no line of its own\"}",
                  "no line of its own\n0\n");
        check_run("{\"name\": \"a\", \"script\": \"#!/bin/sh\"}", "0\n");
}

static void setup_lines_come_first(void **state)
{
        (void)state;
        check_run("{\"name\": \"a\", \"setup\": [\"A='x y'\", \"export A\"],"
                  " \"command\": [\"sh\", \"-c\", \"echo $A\"]}",
                  "x y\n0\n");
        check_run("{\"name\": \"a\", \"setup\": [\"export A=1\"],"
                  " \"script\": \"#!/usr/bin/env python3\\nimport os\\nprint(os.environ['A'])\"}",
                  "1\n0\n");
        check_run("{\"name\": \"a\", \"setup\": [\"export A=1\"], \"script\": \"echo $A\"}",
                  "1\n0\n");
        check_run("{\"name\": \"a\", \"setup\": [\"false\"], \"command\": [\"echo\", \"never\"]}",
                  "1\n");
        /* A script cannot end its own text, nor is anything in it the shell's. */
        check_run("{\"name\": \"a\", \"setup\": [\":\"], \"script\":"
                  " \"#!/bin/cat\\nJOBGATE_END_0\\n$HOME\\nJOBGATE_END_1\"}",
                  "#!/bin/cat\nJOBGATE_END_0\n$HOME\nJOBGATE_END_1\n0\n");
}

static void options_are_lines_behind_the_first(void **state)
{
        (void)state;
        struct gw_slurm_plan plan =
                plan_of("{\"name\": \"train\", \"script\": \"#!/bin/bash\\ntrue\\n\","
                        " \"queue\": \"low\", \"time_limit\": 60}");
        assert_string_equal(plan.script, "#!/bin/bash\n"
                                         "#SBATCH --job-name=train\n"
                                         "#SBATCH --comment=jobgate:" MARK "\n"
                                         "#SBATCH --account=research\n"
                                         "#SBATCH --partition=low\n"
                                         "#SBATCH --cpus-per-task=1\n"
                                         "#SBATCH --mem=1024M\n"
                                         "#SBATCH --time=0-00:01:00\n"
                                         "true\n");
        gw_slurm_plan_done(&plan);
}

/* ---- arrays ---------------------------------------------------------------------------------- */

#define SWEEP                                                                                                   \
        "{\"name\": \"a\", \"script\": \"#!/bin/cat\\nits own\\n\", \"setup\": [\"echo $JOBGATE_TASK_INDEX\"]," \
        " \"array\": {\"indices\": \"0-8:2,99\"}}"

/* A submission of these of its tasks. */
static struct gw_slurm_plan array_plan(const char *text, const char *index_set, struct gw_span span,
                                       uint32_t parallel, uint32_t most)
{
        gw_autofree char *spec = resolve(text);
        struct gw_submission s = submission_of(spec);
        struct gw_slurm_plan plan;
        s.index_set = index_set;
        s.spans = &span;
        s.span_count = 1;
        s.max_parallel = parallel;
        assert_int_equal(
                gw_slurm_plan_init(&plan, &s, NULL, &(struct gw_slurm_site){0}, most, NULL), 0);
        return plan;
}

static void tasks_become_an_array(void **state)
{
        (void)state;
        static const struct {
                struct gw_span span;
                uint32_t parallel, most;
                const char *option;
        } cases[] = {
                {{0, 5}, 0, 1001, "0-8:2,99"}, {{0, 5}, 3, 0, "0-8:2,99%3"},
                {{1, 2}, 1, 1001, "2-4:2%1"},  {{5, 5}, 0, 1001, "99"},
                {{1, 5}, 0, 99, "0-4"},
        };
        for (size_t i = 0; i < GW_COUNT(cases); i++) {
                struct gw_slurm_plan plan = array_plan(SWEEP, "0-8:2,99", cases[i].span,
                                                       cases[i].parallel, cases[i].most);
                assert_string_equal(json_string_value(json_object_get(plan.options, "array")),
                                    cases[i].option);
                gw_slurm_plan_done(&plan);
        }
}

/* Numbered by place, a task opens the file that its index names. */
static void a_tasks_script_knows_which_it_is(void **state)
{
        (void)state;
        char out[512], path[64];
        snprintf(path, sizeof path, "/tmp/jg-plan-%d_99.out", getpid());
        struct gw_slurm_plan plan = array_plan(SWEEP, "0-8:2,99", (struct gw_span){2, 5}, 0, 1001);
        setenv("SLURM_ARRAY_TASK_ID", "6", 1);
        run(plan.script, out, sizeof out);
        assert_string_equal(out, "6\n#!/bin/cat\nits own\n0\n");
        gw_slurm_plan_done(&plan);

        plan = array_plan(SWEEP, "0-8:2,99", (struct gw_span){2, 5}, 0, 99);
        snprintf(out, sizeof out, "/tmp/jg-plan-%d_%%a.out", getpid());
        setenv("JOBGATE_OUTPUT", out, 1);
        setenv("SLURM_ARRAY_TASK_ID", "3", 1);
        run(plan.script, out, sizeof out);
        assert_string_equal(out, "0\n");
        FILE *f = fopen(path, "r");
        out[fread(out, 1, sizeof out - 1, f)] = '\0';
        fclose(f);
        unlink(path);
        assert_string_equal(out, "99\n#!/bin/cat\nits own\n");
        gw_slurm_plan_done(&plan);
}

static void requests_of_arrays(void **state)
{
        (void)state;
        char name[] = "ada", home[] = "/home/ada", shell[] = "/bin/bash";
        struct gw_account account = {
                .name = name, .home = home, .shell = shell, .uid = 1001, .gid = 1002};
        struct gw_submission s = submission_of("{}");
        for (int by_place = 0; by_place < 2; by_place++) {
                struct gw_slurm_plan plan = array_plan(SWEEP, "0-8:2,99", (struct gw_span){0, 5}, 0,
                                                       by_place ? 99 : 1001);
                json_auto_t *request =
                        gw_slurm_plan_request(&plan, &s, &account, "/d", NULL, false);
                json_auto_t *test = gw_slurm_plan_request(&plan, &s, &account, "/d", NULL, true);
                gw_autofree char *environment =
                        json_dumps(json_object_get(request, "environment"), 0);
                assert_string_equal(json_string_value(json_object_get(request, "stdout")),
                                    by_place ? "/dev/null" : "/d/" MARK "_%a.out");
                const char *errors = json_string_value(json_object_get(request, "stderr"));
                assert_string_equal(errors ? errors : "", by_place ? "" : "/d/" MARK "_%a.err");
                assert_int_equal(strstr(environment, "JOBGATE_OUTPUT=/d/" MARK "_%a.out") != NULL &&
                                         strstr(environment, "JOBGATE_ERRORS=/d/" MARK "_%a.err"),
                                 by_place);
                /* A test of more tasks than one array has would only tell that. */
                assert_int_equal(json_object_get(json_object_get(test, "options"), "array") == NULL,
                                 by_place);
                gw_slurm_plan_done(&plan);
        }
}

static void what_is_an_administrators_stays_one_word(void **state)
{
        (void)state;
        static const struct gw_slurm_identity identity = {"ada", "a \"b\"\\ #\nc"};
        struct gw_slurm_plan plan;
        assert_int_equal(
                init_plan(&plan, "{\"name\": \"a\", \"command\": [\"true\"]}", &identity, NULL), 0);
        assert_non_null(
                strstr(plan.script, "\n#SBATCH --account=\"a \\\"b\\\"\\\\ # c\"\n#SBATCH"));
        gw_slurm_plan_done(&plan);
}

static void what_it_cannot_carry_is_named(void **state)
{
        (void)state;
        static const struct {
                const char *spec, *pointer;
        } cases[] = {
                {"{\"command\": [\"true\"], \"image\": \"x\"}", "/image"},
                {"{\"manifest\": {\"job\": {}}}", "/manifest"},
                {"{\"command\": [\"true\"], \"secrets\": {\"A\": {\"secret\": \"s\", \"key\": \"k\"}}}",
                 "/secrets"},
                {"{\"command\": [\"true\"], \"volumes\": [{\"path\": \"/a\", \"claim\": \"c\"}]}",
                 "/volumes"},
        };
        for (size_t i = 0; i < GW_COUNT(cases); i++) {
                struct gw_slurm_plan plan;
                struct gw_error err = {0};
                assert_int_equal(init_plan(&plan, cases[i].spec, NULL, &err), -1);
                assert_int_equal(err.code, GW_ERR_UNPROCESSABLE);
                assert_string_equal(err.pointer, cases[i].pointer);
        }
}

static void what_is_no_spec_is_our_fault(void **state)
{
        (void)state;
        struct gw_submission s = submission_of("[]");
        struct gw_slurm_plan plan;
        struct gw_error err = {0};
        assert_int_equal(
                gw_slurm_plan_init(&plan, &s, NULL, &(struct gw_slurm_site){0}, 1001, &err), -1);
        assert_int_equal(err.code, GW_ERR_INTERNAL);
}

/* ---- identities and requests ----------------------------------------------------------------- */

static void identities(void **state)
{
        (void)state;
        static const char *const none[] = {NULL,           "", "{}", "[]", "{\"user\": \"\"}",
                                           "{\"user\": 5}"};
        struct gw_slurm_identity identity;
        json_t *json;
        for (size_t i = 0; i < GW_COUNT(none); i++) {
                struct gw_error err = {0};
                assert_int_equal(gw_slurm_identity_read(none[i], &identity, &json, &err), -1);
                assert_int_equal(err.code, GW_ERR_UNPROCESSABLE);
        }
        assert_int_equal(gw_slurm_identity_read("{\"user\": \"ada\"}", &identity, &json, NULL), 0);
        assert_string_equal(identity.user, "ada");
        assert_null(identity.account);
        json_decref(json);
        assert_int_equal(gw_slurm_identity_read("{\"user\": \"ada\", \"account\": \"x\"}",
                                                &identity, &json, NULL),
                         0);
        assert_string_equal(identity.account, "x");
        json_decref(json);
}

static void a_request_has_all_that_slurmctld_needs(void **state)
{
        (void)state;
        char name[] = "ada", home[] = "/home/ada", shell[] = "/bin/bash";
        struct gw_account account = {
                .name = name, .home = home, .shell = shell, .uid = 1001, .gid = 1002};
        const char *spec = "{\"name\": \"train\", \"command\": [\"true\"],"
                           " \"environment\": {\"A\": \"x=y\", \"HOME\": \"/tmp\"}}";
        struct gw_submission s = submission_of(spec);
        struct gw_slurm_plan plan = plan_of(spec);
        json_auto_t *request =
                gw_slurm_plan_request(&plan, &s, &account, NULL, "http://gate", false);
        json_object_del(request, "script");
        gw_autofree char *text = json_dumps(request, JSON_SORT_KEYS);
        assert_string_equal(
                text,
                "{\"comment\": \"jobgate:" MARK "\", \"environment\": ["
                "\"PATH=/usr/local/bin:/usr/bin:/bin\", \"LANG=C.UTF-8\", \"HOME=/tmp\", "
                "\"USER=ada\", \"LOGNAME=ada\", \"SHELL=/bin/bash\", \"A=x=y\", "
                "\"JOBGATE_URL=http://gate\", "
                "\"JOBGATE_JOB_ID=0190a5d8-7c00-7000-8000-000000000001\", "
                "\"JOBGATE_ATTEMPT=2\", \"JOBGATE_TASK_INDEX=0\"], "
                "\"gid\": 1002, \"held\": false, \"name\": \"train\", \"op\": \"submit\", "
                "\"options\": {\"account\": \"research\", \"cpus-per-task\": \"1\", \"mem\": \"1024M\"}, "
                "\"send_before\": 1764000000000000, "
                "\"stdout\": \"/home/ada/jobgate-" MARK ".out\", \"test\": false, "
                "\"uid\": 1001, \"work_dir\": \"/home/ada\"}");
        gw_slurm_plan_done(&plan);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(fields_become_options),
                cmocka_unit_test(scripts_do_what_the_spec_says),
                cmocka_unit_test(setup_lines_come_first),
                cmocka_unit_test(options_are_lines_behind_the_first),
                cmocka_unit_test(tasks_become_an_array),
                cmocka_unit_test(a_tasks_script_knows_which_it_is),
                cmocka_unit_test(requests_of_arrays),
                cmocka_unit_test(what_is_an_administrators_stays_one_word),
                cmocka_unit_test(what_it_cannot_carry_is_named),
                cmocka_unit_test(what_is_no_spec_is_our_fault),
                cmocka_unit_test(identities),
                cmocka_unit_test(a_request_has_all_that_slurmctld_needs),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
