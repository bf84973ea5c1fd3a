/* Settings: each is read, each mistake names the setting, and what the agents are given. */
#include "backends/slurm/settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/base/cleanup.h"

static char folder[] = "/tmp/jg-slurm-settings-XXXXXX";

static void write_file(const char *name, const char *text)
{
        char path[128];
        snprintf(path, sizeof path, "%s/%s", folder, name);
        FILE *f = fopen(path, "we");
        fputs(text, f);
        fclose(f);
}

static int set_up(void **state)
{
        (void)state;
        if (!mkdtemp(folder))
                return -1;
        write_file("site.conf", "ClusterName=trial\n");
        write_file("key", "0123456789abcdef");
        write_file("empty", "");
        char path[128];
        snprintf(path, sizeof path, "%s/open", folder);
        if (mkdir(path, 0700) || chmod(path, 0770))
                return -1;
        snprintf(path, sizeof path, "%s/link", folder);
        if (symlink(folder, path))
                return -1;
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        static const char *const names[] = {"site.conf", "key",  "empty", "own/hpc.conf",
                                            "own",       "open", "link",  ""};
        char path[128];
        for (size_t i = 0; i < GW_COUNT(names); i++) {
                snprintf(path, sizeof path, "%s/%s", folder, names[i]);
                remove(path);
        }
        return 0;
}

/* The usual ones with changes over them; a change to null takes one away. */
static int init(struct gw_slurm_settings *s, const char *changes, struct gw_error *err)
{
        json_auto_t *section =
                json_pack("{s:o, s:o, s:o, s:s}", "conf", json_sprintf("%s/site.conf", folder),
                          "directory", json_sprintf("%s/own", folder), "jwt_key",
                          json_sprintf("%s/key", folder), "agent", "/bin/true");
        json_auto_t *more = json_loads(changes, 0, NULL);
        const char *name;
        json_t *value;
        json_object_update(section, more);
        json_object_foreach(more, name, value)
        {
                if (json_is_null(value))
                        json_object_del(section, name);
                else if (json_is_string(value) && json_string_value(value)[0] == '@')
                        json_object_set_new(
                                section, name,
                                json_sprintf("%s/%s", folder, json_string_value(value) + 1));
        }
        return gw_slurm_settings_init(s, "hpc", section, err);
}

static void what_is_left_out_has_a_default(void **state)
{
        (void)state;
        struct gw_slurm_settings s;
        struct gw_error err = {0};
        if (init(&s, "{}", &err))
                fail_msg("%s", err.message);
        assert_int_equal(s.message_timeout_s, 5);
        assert_int_equal(s.token_life_s, 60);
        assert_int_equal(s.workers, 2);
        assert_int_equal(s.min_uid, 1000);
        assert_int_equal(s.key_len, 16);
        assert_non_null(s.user);
        gw_slurm_settings_done(&s);
        assert_int_equal(s.key_len, 0);
        assert_int_equal(s.key[0], 0);
}

static void what_a_site_says_is_kept(void **state)
{
        (void)state;
        struct gw_slurm_settings s;
        assert_int_equal(init(&s, "{\"features\": {\"zone=a\": \"rack1\", \"x=\": \"y\"}}", NULL),
                         0);
        assert_string_equal(json_string_value(json_object_get(s.site.features, "zone=a")), "rack1");
        assert_string_equal(json_string_value(json_object_get(s.site.features, "x=")), "y");
        assert_int_equal(s.site.runtime, GW_SLURM_NO_RUNTIME);
        gw_slurm_settings_done(&s);
        assert_int_equal(init(&s,
                              "{\"container\": \"pyxis\", \"container_command\": [\"a\", \"b c\"]}",
                              NULL),
                         0);
        assert_int_equal(s.site.runtime, GW_SLURM_PYXIS);
        assert_int_equal(json_array_size(s.site.container_command), 2);
        assert_null(s.site.container_gpu_arguments);
        gw_slurm_settings_done(&s);
}

static void the_agents_get_a_file_of_their_own(void **state)
{
        (void)state;
        char text[512], wanted[512];
        struct gw_slurm_settings s;
        assert_int_equal(init(&s, "{\"message_timeout\": \"3s\"}", NULL), 0);
        FILE *f = fopen(s.client_conf, "re");
        size_t n = fread(text, 1, sizeof text - 1, f);
        fclose(f);
        text[n] = '\0';
        snprintf(wanted, sizeof wanted,
                 "# Written at each start of the gateway.\nInclude %s/site.conf\n"
                 "AuthType=auth/jwt\nMessageTimeout=3\n",
                 folder);
        assert_string_equal(text, wanted);
        gw_slurm_settings_done(&s);
}

static void without_a_key_it_is_the_gateways_user_who_submits(void **state)
{
        (void)state;
        char text[512];
        struct gw_slurm_settings s;
        assert_int_equal(init(&s, "{\"jwt_key\": null, \"users\": [\"ada\", \"ben\"]}", NULL), 0);
        assert_int_equal(s.key_len, 0);
        assert_int_equal(s.token_life_s, 300);
        assert_int_equal(json_array_size(s.users), 2);
        FILE *f = fopen(s.client_conf, "re");
        text[fread(text, 1, sizeof text - 1, f)] = '\0';
        fclose(f);
        assert_null(strstr(text, "AuthType"));
        gw_slurm_settings_done(&s);
}

static void mistakes_name_the_setting(void **state)
{
        (void)state;
        static const struct {
                const char *changes, *words;
        } cases[] = {
                {"{\"dirctory\": \"/x\"}", "did you mean directory?"},
                {"{\"directory\": null}", "directory: is needed"},
                {"{\"directory\": \"/no/such/parent/own\"}", "directory: "},
                {"{\"jwt_key\": null, \"user\": \"ada\"}", "user: without jwt_key it is always"},
                {"{\"users\": []}", "users: must be a list of names"},
                {"{\"users\": \"ada\"}", "users: must be a list of names"},
                {"{\"users\": [\"ada\", 7]}", "users: must be a list of names"},
                {"{\"directory\": \"@open\"}", "must belong to the gateway's user"},
                {"{\"directory\": \"@link\"}", "cannot be opened"},
                {"{\"jwt_key\": \"/nowhere\"}", "jwt_key: /nowhere cannot be read"},
                {"{\"jwt_key\": \"@empty\"}", "is no key"},
                {"{\"conf\": \"/nowhere\"}", "conf: /nowhere cannot be read"},
                {"{\"conf\": \"slurm.conf\"}", "conf: must be an absolute path"},
                {"{\"agent\": \"/nowhere\"}", "agent: /nowhere cannot be run"},
                {"{\"workers\": 0}", "workers: must be a whole number from 1 to 32"},
                {"{\"min_uid\": 0}", "min_uid: must be a whole number from 1 to"},
                {"{\"token_life\": \"5s\"}", "token_life: must be between 10 and 3600 seconds"},
                {"{\"message_timeout\": \"soon\"}", "message_timeout: "},
                {"{\"user\": \"\"}", "user: "},
                {"{\"features\": [\"a\"]}", "features: must be a map"},
                {"{\"container\": \"docker\"}", "container: must be apptainer, pyxis or slurm"},
                {"{\"priorities\": [\"high\"]}", "priorities: must be a map"},
                {"{\"priorities\": {\"0\": \"high\"}}", "priorities: 0: must be from 1 to 1000"},
                {"{\"priorities\": {\"1001\": \"high\"}}", "priorities: 1001: must be from 1"},
                {"{\"priorities\": {\"5\": \"\"}}", "priorities: 5: must be from 1"},
                {"{\"container\": 1}", "container: must be apptainer, pyxis or slurm"},
                {"{\"container_command\": []}", "container_command: must be a list"},
                {"{\"container_gpu_arguments\": \"--nv\"}",
                 "container_gpu_arguments: must be a list"},
                {"{\"features\": {\"zone\": \"a\"}}", "features: zone: must be NAME=VALUE"},
                {"{\"features\": {\"=a\": \"a\"}}", "features: =a: must be"},
                {"{\"features\": {\"zone=a\": \"a|b\"}}", "features: zone=a: must be"},
                {"{\"features\": {\"zone=a\": 5}}", "features: zone=a: must be"},
        };
        for (size_t i = 0; i < GW_COUNT(cases); i++) {
                struct gw_slurm_settings s;
                struct gw_error err = {0};
                if (init(&s, cases[i].changes, &err) == 0)
                        fail_msg("%s was taken", cases[i].changes);
                if (!strstr(err.message, cases[i].words))
                        fail_msg("%s: %s", cases[i].changes, err.message);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_is_left_out_has_a_default),
                cmocka_unit_test(what_a_site_says_is_kept),
                cmocka_unit_test(the_agents_get_a_file_of_their_own),
                cmocka_unit_test(without_a_key_it_is_the_gateways_user_who_submits),
                cmocka_unit_test(mistakes_name_the_setting),
        };
        return cmocka_run_group_tests(tests, set_up, tear_down);
}
