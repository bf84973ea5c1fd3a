/* Specs to Jobs: each field's place, what is refused and where, and what is always so. */
#include "backends/kubernetes/manifest.h"

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

#include "backends/kubernetes/program.h"
#include "openapi/schemas.h"
#include "server/base/cleanup.h"
#include "server/model/decode.h"

#define ID "01926a3b-7c4d-7e5f-8a6b-9c7d8e9f0a1b"
#define NAME "jg-" ID "-2"

/* Members that go past the contract: a record may have what it does not let through. */
static const char *const unchecked[] = {"volumes", "secrets"};

/* As it is after a submit; members beside a command and an image. */
static char *spec_text(const char *members)
{
        struct gw_faults faults;
        struct gw_spec spec = {0};
        json_auto_t *json = json_loads(members, 0, NULL), *apart = json_object(), *patch;
        if (!json)
                fail_msg("%s", members);
        for (size_t i = 0; i < GW_COUNT(unchecked); i++)
                if (json_object_get(json, unchecked[i])) {
                        json_object_set(apart, unchecked[i], json_object_get(json, unchecked[i]));
                        json_object_del(json, unchecked[i]);
                }
        patch = json_incref(json_object_get(json, "options"));
        json_object_del(json, "options");
        if (!json_object_get(json, "script") && !json_object_get(json, "command"))
                json_object_set_new(json, "command", json_pack("[s]", "true"));
        if (!json_object_get(json, "image"))
                json_object_set_new(json, "image", json_string("busybox:1"));
        gw_faults_init(&faults);
        if (gw_decode(&gw_schema_JobSpec, json, "", &faults) ||
            gw_spec_resolve(json, false, 0, &spec, NULL, &faults))
                fail_msg("%s: %s: %s", members, faults.items[0].pointer, faults.items[0].detail);
        json_object_update(json, apart);
        if (patch)
                json_object_set(json, "options", patch);
        gw_spec_done(&spec);
        return json_dumps(json, JSON_COMPACT);
}

static struct gw_k8s_site the_site;

static int make(const char *members, struct gw_submission *s, struct gw_k8s_manifest *ret,
                struct gw_error *err)
{
        static const struct gw_k8s_identity identity = {"team-a", "runner"};
        gw_autofree char *text = spec_text(members);
        json_auto_t *spec = json_loads(text, 0, NULL);
        assert_int_equal(gw_id_parse(ID, &s->mark.job), 0);
        s->mark.number = 2;
        s->spec = text;
        s->spec_len = strlen(text);
        s->name = json_string_value(json_object_get(spec, "name"));
        s->project = "main";
        s->attempt = 3;
        return gw_k8s_manifest_init(ret, s, &identity, &the_site, err);
}

/* A value by its path, with numbers for the elements of lists. */
static const json_t *at(const json_t *value, const char *path)
{
        while (value && *path) {
                size_t len = strcspn(path, ".");
                if (json_is_array(value))
                        value = json_array_get(value, strtoul(path, NULL, 10));
                else
                        value = json_object_getn(value, path, len);
                path += len + (path[len] == '.');
        }
        return value;
}

static void expect(const json_t *object, const char *path, const char *expected)
{
        json_auto_t *wanted = expected ? json_loads(expected, JSON_DECODE_ANY, NULL) : NULL;
        const json_t *found = at(object, path);
        if (expected && !wanted)
                fail_msg("%s", expected);
        if (!expected ? !found : json_equal(found, wanted))
                return;
        gw_autofree char *text = json_dumps(found, JSON_ENCODE_ANY);
        fail_msg("%s: %s, not %s", path, text ? text : "nothing", expected ? expected : "nothing");
}

#define POD "spec.template.spec."
#define MAIN POD "containers.0."

static void check(const char *members, const char *path, const char *expected)
{
        struct gw_k8s_manifest m;
        struct gw_submission s = {0};
        struct gw_error err = {0};
        if (make(members, &s, &m, &err))
                fail_msg("%s: %s %s", members, err.pointer, err.message);
        expect(m.job, path, expected);
        gw_k8s_manifest_done(&m);
}

static void check_refused(const char *members, const char *pointer)
{
        struct gw_k8s_manifest m;
        struct gw_submission s = {0};
        struct gw_error err = {0};
        if (make(members, &s, &m, &err) != -1)
                fail_msg("%s passes", members);
        if (err.code != GW_ERR_UNPROCESSABLE || strcmp(err.pointer, pointer) != 0)
                fail_msg("%s: %d \"%s\" %s", members, (int)err.code, err.pointer, err.message);
        assert_null(m.job);
}

static const json_t *object_before(const struct gw_k8s_manifest *m, const char *kind)
{
        size_t i;
        const json_t *object;
        json_array_foreach(m->before, i, object)
        {
                if (strcmp(json_string_value(json_object_get(object, "kind")), kind) == 0)
                        return object;
        }
        return NULL;
}

static int set_site(void **state)
{
        (void)state;
        the_site = gw_k8s_site_default();
        return 0;
}

/* ---- a whole one ---------------------------------------------------------------------------- */

static void the_plainest_job(void **state)
{
        (void)state;
        check("{\"name\": \"train\"}", "",
              "{\"apiVersion\": \"batch/v1\", \"kind\": \"Job\", \"metadata\": {\"name\": \"" NAME
              "\", \"namespace\": \"team-a\", \"labels\": {\"app.kubernetes.io/managed-by\": "
              "\"jobgate\", \"jobgate.dev/job\": \"" ID "\", \"jobgate.dev/submission\": \"2\", "
              "\"jobgate.dev/name\": \"train\", \"jobgate.dev/project\": \"main\"}, "
              "\"annotations\": {\"jobgate.dev/mark\": \"" ID ".2\", \"jobgate.dev/name\": "
              "\"train\"}}, \"spec\": {\"completions\": 1, \"parallelism\": 1, \"backoffLimit\": 0, "
              "\"podReplacementPolicy\": \"Failed\", \"podFailurePolicy\": {\"rules\": [{\"action\": "
              "\"FailJob\", \"onPodConditions\": [{\"type\": \"DisruptionTarget\", \"status\": "
              "\"True\"}]}]}, \"ttlSecondsAfterFinished\": 604800, \"template\": {\"metadata\": "
              "{\"labels\": {\"app.kubernetes.io/managed-by\": \"jobgate\", \"jobgate.dev/job\": "
              "\"" ID "\", \"jobgate.dev/submission\": \"2\", \"jobgate.dev/name\": \"train\", "
              "\"jobgate.dev/project\": \"main\"}, \"annotations\": {\"jobgate.dev/mark\": \"" ID
              ".2\", \"jobgate.dev/name\": \"train\"}}, \"spec\": {\"restartPolicy\": \"Never\", "
              "\"terminationGracePeriodSeconds\": 30, \"serviceAccountName\": \"runner\", "
              "\"automountServiceAccountToken\": false, \"enableServiceLinks\": false, "
              "\"securityContext\": {\"seccompProfile\": {\"type\": \"RuntimeDefault\"}, "
              "\"runAsNonRoot\": true, \"runAsUser\": 1000, \"runAsGroup\": 1000, \"fsGroup\": "
              "1000}, \"containers\": [{\"name\": \"main\", \"image\": \"busybox:1\", \"command\": "
              "[\"true\"], \"env\": [{\"name\": \"JOBGATE_JOB_ID\", \"value\": \"" ID "\"}, "
              "{\"name\": \"JOBGATE_ATTEMPT\", \"value\": \"3\"}, {\"name\": "
              "\"JOBGATE_TASK_INDEX\", \"value\": \"0\"}], \"resources\": {\"limits\": {\"cpu\": "
              "\"1\", \"memory\": \"1Gi\"}, \"requests\": {\"cpu\": \"1\", \"memory\": \"1Gi\"}}, "
              "\"securityContext\": {\"allowPrivilegeEscalation\": false, \"capabilities\": "
              "{\"drop\": [\"ALL\"]}}}]}}}}");
}

static void the_same_submission_gives_the_same_bytes(void **state)
{
        (void)state;
        struct gw_buf texts[2] = {GW_BUF_INIT(100000), GW_BUF_INIT(100000)};
        for (size_t i = 0; i < 2; i++) {
                struct gw_k8s_manifest m;
                struct gw_submission s = {0};
                assert_int_equal(make("{\"resources\": {\"nodes\": 2}, \"environment\": {\"b\": "
                                      "\"1\", \"a\": \"2\"}}",
                                      &s, &m, NULL),
                                 0);
                gw_k8s_manifest_write(&m, &texts[i]);
                gw_k8s_manifest_done(&m);
        }
        assert_string_equal(texts[0].data, texts[1].data);
        assert_non_null(strstr(texts[0].data, "\n---\n"));
        assert_true(strstr(texts[0].data, "\"Service\"") < strstr(texts[0].data, "\"Job\""));
        gw_buf_done(&texts[0]);
        gw_buf_done(&texts[1]);
}

/* ---- fields --------------------------------------------------------------------------------- */

static void fields_have_their_places(void **state)
{
        (void)state;
        json_auto_t *types = json_pack("{s:{s:s, s:s}}", "big", "gpu/kind", "b", "zone", "z");
        json_auto_t *classes =
                json_pack("{s:s, s:s, s:s}", "-5", "low", "10", "high", "500", "urgent");
        json_auto_t *tolerations = json_pack("[{s:s, s:s}]", "key", "gpu", "operator", "Exists");
        json_auto_t *secrets = json_pack("[s]", "registry");
        the_site.gpu_types = types;
        the_site.priorities = classes;
        the_site.tolerations = tolerations;
        the_site.pull_secrets = secrets;
        the_site.pull_policy = "IfNotPresent";
        the_site.url = "http://g:8000";
        static const struct {
                const char *members, *path, *expected; /* NULL: nothing */
        } rows[] = {
                {"{\"image\": \"python:3.12\"}", MAIN "image", "\"python:3.12\""},
                {"{}", MAIN "imagePullPolicy", "\"IfNotPresent\""},
                {"{}", POD "imagePullSecrets", "[{\"name\": \"registry\"}]"},
                {"{}", POD "tolerations", "[{\"key\": \"gpu\", \"operator\": \"Exists\"}]"},
                {"{}", POD "activeDeadlineSeconds", NULL},
                {"{}", "spec.activeDeadlineSeconds", NULL},
                {"{\"time_limit\": \"1h\"}", POD "activeDeadlineSeconds", "3600"},
                {"{\"time_limit\": \"1h\"}", "spec.activeDeadlineSeconds", NULL},
                {"{\"working_directory\": \"/w\"}", MAIN "workingDir", "\"/w\""},
                {"{\"resources\": {\"cpus\": \"500m\", \"tasks_per_node\": 3, \"memory\": \"1.5Gi\"}}",
                 MAIN "resources.limits", "{\"cpu\": \"1500m\", \"memory\": \"1536Mi\"}"},
                {"{\"resources\": {\"gpus\": 2}}", MAIN "resources.limits",
                 "{\"cpu\": \"8\", \"memory\": \"16Gi\", \"nvidia.com/gpu\": 2}"},
                {"{\"resources\": {\"gpus\": 2}}", MAIN "resources.requests",
                 "{\"cpu\": \"8\", \"memory\": \"16Gi\", \"nvidia.com/gpu\": 2}"},
                {"{\"resources\": {\"gpus\": 1, \"gpu_type\": \"A100\"}}", POD "nodeSelector",
                 "{\"nvidia.com/gpu.product\": \"A100\"}"},
                {"{\"resources\": {\"gpus\": 1, \"gpu_type\": \"big\"}, \"node_selector\": "
                 "{\"zone\": \"z\", \"a.b/c\": \"\"}}",
                 POD "nodeSelector", "{\"gpu/kind\": \"b\", \"zone\": \"z\", \"a.b/c\": \"\"}"},
                {"{\"resources\": {\"scratch\": \"5G\"}}", POD "volumes",
                 "[{\"name\": \"jobgate-scratch\", \"emptyDir\": {\"sizeLimit\": \"5G\"}}]"},
                {"{\"resources\": {\"scratch\": \"5G\"}}", MAIN "volumeMounts",
                 "[{\"name\": \"jobgate-scratch\", \"mountPath\": \"/tmp\"}]"},
                {"{\"resources\": {\"scratch\": \"5G\"}}", MAIN "resources.requests",
                 "{\"cpu\": \"1\", \"memory\": \"1Gi\", \"ephemeral-storage\": \"5G\"}"},
                {"{\"resources\": {\"shared_memory\": \"64Mi\"}}", POD "volumes",
                 "[{\"name\": \"jobgate-shm\", \"emptyDir\": {\"medium\": \"Memory\", "
                 "\"sizeLimit\": \"64Mi\"}}]"},
                {"{\"priority\": 0}", POD "priorityClassName", NULL},
                {"{\"priority\": 9}", POD "priorityClassName", NULL},
                {"{\"priority\": 10}", POD "priorityClassName", "\"high\""},
                {"{\"priority\": 1000}", POD "priorityClassName", "\"urgent\""},
                {"{\"priority\": -4}", POD "priorityClassName", NULL},
                {"{\"priority\": -5}", POD "priorityClassName", "\"low\""},
                {"{\"labels\": {\"team\": \"v\"}}", "spec.template.metadata.labels.team", "\"v\""},
                {"{\"options\": {\"kubernetes\": {\"spec\": {\"template\": {\"spec\": "
                 "{\"dnsPolicy\": \"None\"}}}}}}",
                 POD "dnsPolicy", "\"None\""},
        };
        for (size_t i = 0; i < GW_COUNT(rows); i++)
                check(rows[i].members, rows[i].path, rows[i].expected);
}

static void the_queue_is_a_label_of_the_job(void **state)
{
        (void)state;
        struct gw_k8s_manifest m;
        struct gw_submission s = {0};
        assert_int_equal(make("{\"queue\": \"gold\"}", &s, &m, NULL), 0);
        const json_t *labels = at(m.job, "metadata.labels");
        assert_string_equal(json_string_value(json_object_get(labels, "kueue.x-k8s.io/queue-name")),
                            "gold");
        gw_k8s_manifest_done(&m);
}

static void environment(void **state)
{
        (void)state;
        the_site.url = "http://g:8000";
        check("{\"environment\": {\"A\": \"a$b\", \"B\": \"$(A) $$\"}, \"secrets\": {\"KEY\": "
              "{\"secret\": \"s\", \"key\": \"k\"}}}",
              MAIN "env",
              "[{\"name\": \"A\", \"value\": \"a$b\"}, {\"name\": \"B\", \"value\": \"$$(A) $$$\"}, "
              "{\"name\": \"JOBGATE_URL\", \"value\": \"http://g:8000\"}, {\"name\": "
              "\"JOBGATE_JOB_ID\", \"value\": \"" ID "\"}, {\"name\": \"JOBGATE_ATTEMPT\", "
              "\"value\": \"3\"}, {\"name\": \"KEY\", \"valueFrom\": {\"secretKeyRef\": {\"name\": "
              "\"s\", \"key\": \"k\"}}}, {\"name\": \"JOBGATE_TASK_INDEX\", \"value\": \"0\"}]");
}

static void volumes(void **state)
{
        (void)state;
        json_auto_t *folders = json_pack("[s, s]", "/mnt/data/", "/scratch");
        the_site.host_paths = folders;
        check("{\"volumes\": [{\"path\": \"/data\", \"claim\": \"datasets\", \"read_only\": true, "
              "\"sub_path\": \"a/b\"}, {\"path\": \"/etc/c\", \"config_map\": \"c\"}, {\"path\": "
              "\"/s\", \"secret\": \"s\"}, {\"path\": \"/h\", \"host_path\": \"/mnt/data/x\"}, "
              "{\"path\": \"/e\", \"empty\": \"1Gi\"}]}",
              POD "volumes",
              "[{\"name\": \"volume-0\", \"persistentVolumeClaim\": {\"claimName\": \"datasets\"}}, "
              "{\"name\": \"volume-1\", \"configMap\": {\"name\": \"c\"}}, {\"name\": \"volume-2\", "
              "\"secret\": {\"secretName\": \"s\"}}, {\"name\": \"volume-3\", \"hostPath\": "
              "{\"path\": \"/mnt/data/x\"}}, {\"name\": \"volume-4\", \"emptyDir\": "
              "{\"sizeLimit\": \"1Gi\"}}]");
        check("{\"volumes\": [{\"path\": \"/e\", \"empty\": 2048}]}",
              POD "volumes.0.emptyDir.sizeLimit", "\"2Ki\"");
        check("{\"volumes\": [{\"path\": \"/data\", \"claim\": \"datasets\", \"read_only\": true, "
              "\"sub_path\": \"a/b\"}]}",
              MAIN "volumeMounts",
              "[{\"name\": \"volume-0\", \"mountPath\": \"/data\", \"readOnly\": true, \"subPath\": "
              "\"a/b\"}]");
}

static void what_is_refused(void **state)
{
        (void)state;
        json_auto_t *types = json_pack("{s:{s:s}}", "big", "zone", "z");
        json_auto_t *folders = json_pack("[s]", "/mnt");
        the_site.gpu_types = types;
        the_site.host_paths = folders;
        static const struct {
                const char *members, *pointer;
        } rows[] = {
                {"{\"image\": \"/bundle\"}", "/image"},
                {"{\"image\": \"oras://x\"}", "/image"},
                {"{\"node_selector\": {\"a/b/c\": \"d\"}}", "/node_selector/a~1b~1c"},
                {"{\"node_selector\": {\"zone\": \"a:b\"}}", "/node_selector/zone"},
                {"{\"node_selector\": {\"zone\": \"y\"}, \"resources\": {\"gpus\": 1, \"gpu_type\": "
                 "\"big\"}}",
                 "/node_selector/zone"},
                {"{\"resources\": {\"gpus\": 1, \"gpu_type\": \"a-\"}}", "/resources/gpu_type"},
                {"{\"queue\": \"a-\"}", "/queue"},
                {"{\"secrets\": {\"A\": {\"secret\": \"S\", \"key\": \"k\"}}}", "/secrets/A"},
                {"{\"secrets\": {\"A\": {\"secret\": \"s\"}}}", "/secrets/A"},
                {"{\"secrets\": {\"A\": 7}}", "/secrets/A"},
                {"{\"secrets\": {\"JOBGATE_X\": {\"secret\": \"s\", \"key\": \"k\"}}}",
                 "/secrets/JOBGATE_X"},
                {"{\"secrets\": {\"A\": {\"secret\": \"s\", \"key\": \"k\"}}, \"environment\": "
                 "{\"A\": \"\"}}",
                 "/secrets/A"},
                {"{\"volumes\": [7]}", "/volumes/0/path"},
                {"{\"volumes\": [{\"path\": \"x\", \"claim\": \"c\"}]}", "/volumes/0/path"},
                {"{\"volumes\": [{\"path\": \"/\", \"claim\": \"c\"}]}", "/volumes/0/path"},
                {"{\"volumes\": [{\"path\": \"/a:b\", \"claim\": \"c\"}]}", "/volumes/0/path"},
                {"{\"volumes\": [{\"path\": \"/a/../b\", \"claim\": \"c\"}]}", "/volumes/0/path"},
                {"{\"volumes\": [{\"path\": \"/jobgate/x\", \"claim\": \"c\"}]}",
                 "/volumes/0/path"},
                {"{\"volumes\": [{\"path\": \"/a\", \"claim\": \"c\"}, {\"path\": \"/a/\", "
                 "\"claim\": \"d\"}]}",
                 "/volumes/1/path"},
                {"{\"volumes\": [{\"path\": \"/dev/shm\", \"claim\": \"c\"}], \"resources\": "
                 "{\"shared_memory\": 1}}",
                 "/volumes/0/path"},
                {"{\"volumes\": [{\"path\": \"/a\"}]}", "/volumes/0"},
                {"{\"volumes\": [{\"path\": \"/a\", \"claim\": \"c\", \"secret\": \"s\"}]}",
                 "/volumes/0"},
                {"{\"volumes\": [{\"path\": \"/a\", \"claim\": \"C\"}]}", "/volumes/0/claim"},
                {"{\"volumes\": [{\"path\": \"/a\", \"claim\": 7.5}]}", "/volumes/0/claim"},
                {"{\"volumes\": [{\"path\": \"/a\", \"empty\": -1}]}", "/volumes/0/empty"},
                {"{\"volumes\": [{\"path\": \"/a\", \"empty\": \"much\"}]}", "/volumes/0/empty"},
                {"{\"volumes\": [{\"path\": \"/a\", \"claim\": \"c\", \"sub_path\": \"../x\"}]}",
                 "/volumes/0/sub_path"},
                {"{\"volumes\": [{\"path\": \"/a\", \"host_path\": \"/etc\"}]}",
                 "/volumes/0/host_path"},
                {"{\"volumes\": [{\"path\": \"/a\", \"host_path\": \"/mnt/../etc\"}]}",
                 "/volumes/0/host_path"},
                {"{\"volumes\": [{\"path\": \"/a\", \"host_path\": \"/mntx\"}]}",
                 "/volumes/0/host_path"},
                {"{\"options\": {\"kubernetes\": {\"spec\": {\"template\": {\"spec\": "
                 "{\"hostNetwork\": true}}}}}}",
                 "/options/kubernetes/spec/template/spec/hostNetwork"},
                {"{\"options\": {\"kubernetes\": 7}}", "/options/kubernetes"},
        };
        for (size_t i = 0; i < GW_COUNT(rows); i++)
                check_refused(rows[i].members, rows[i].pointer);
        the_site.host_paths = NULL;
        check_refused("{\"volumes\": [{\"path\": \"/a\", \"host_path\": \"/mnt\"}]}",
                      "/volumes/0/host_path");
}

/* Kubernetes' own rule (third_party/forked/golang/expansion), on bytes. */
static void expand(const char *text, char *out)
{
        for (; *text; text++) {
                if (*text != '$' || !text[1]) {
                        *out++ = *text;
                } else if (text[1] == '$') {
                        *out++ = *text++;
                } else {
                        assert_true(text[1] != '(');
                        *out++ = '$';
                        *out++ = *++text;
                }
        }
        *out = '\0';
}

/* ---- the program ---------------------------------------------------------------------------- */

static void programs(void **state)
{
        (void)state;
        check("{\"command\": [\"echo\", \"$(HOME) $$ $x\"]}", MAIN "command",
              "[\"echo\", \"$$(HOME) $$$ $x\"]");
        check("{\"script\": \"echo $$\\n\"}", MAIN "command",
              "[\"/bin/sh\", \"-c\", \"echo $$$\\n\"]");
        check("{\"script\": \"echo\", \"setup\": [\"module load x\"]}", MAIN "command",
              "[\"/bin/sh\", \"-c\", \"eval 'module load x' || exit\\necho\"]");
        check("{\"command\": [\"a\", \"b c\"], \"setup\": [\"x\"]}", MAIN "command",
              "[\"/bin/sh\", \"-c\", \"eval 'x' || exit\\nexec \\\"$@\\\"\\n\", \"sh\", \"a\", \"b "
              "c\"]");
        check("{\"script\": \"#!/usr/bin/python3\\nprint(1)\\n\"}", MAIN "command",
              "[\"/jobgate/script\"]");
        check("{\"script\": \"#!/usr/bin/python3\\nprint(1)\\n\", \"setup\": [\"x\"]}",
              MAIN "command",
              "[\"/bin/sh\", \"-c\", \"eval 'x' || exit\\nexec /jobgate/script\\n\"]");
        check("{\"script\": \"#!/bin/sh\\necho $$\\n\"}", POD "volumes",
              "[{\"name\": \"jobgate-program\", \"downwardAPI\": {\"items\": [{\"path\": \"script\", "
              "\"fieldRef\": {\"fieldPath\": \"metadata.annotations['jobgate.dev/script']\"}}], "
              "\"defaultMode\": 365}}]");
        check("{\"script\": \"#!/bin/sh\\necho $$\\n\"}", MAIN "volumeMounts",
              "[{\"name\": \"jobgate-program\", \"mountPath\": \"/jobgate\", \"readOnly\": true}]");
}

static char *script_of(size_t size, const char *first)
{
        size_t len = strlen(first);
        char *text = malloc(size + 1);
        assert_non_null(text);
        memset(text, '#', size);
        memcpy(text, first, len);
        text[size] = '\0';
        return text;
}

static struct gw_k8s_manifest with_script(size_t size, const char *first)
{
        struct gw_k8s_manifest m;
        struct gw_submission s = {0};
        struct gw_error err = {0};
        gw_autofree char *script = script_of(size, first), *members = NULL;
        json_auto_t *json = json_pack("{s:s}", "script", script);
        members = json_dumps(json, 0);
        if (make(members, &s, &m, &err))
                fail_msg("%s %s", err.pointer, err.message);
        return m;
}

/* An argument, an annotation, a ConfigMap: by size, and whole each time. */
static void scripts_of_all_sizes(void **state)
{
        (void)state;
        static const char key[] = "jobgate.dev/script";
        struct gw_k8s_manifest m = with_script(96 * 1024 - 1, "");
        assert_null(at(m.job, POD "volumes"));
        gw_k8s_manifest_done(&m);

        m = with_script(100 * 1024, "");
        expect(m.job, MAIN "command", "[\"/bin/sh\", \"/jobgate/launch\"]");
        assert_null(object_before(&m, "ConfigMap"));
        gw_k8s_manifest_done(&m);

        m = with_script(150 * 1024, "#!/bin/sh\n");
        const json_t *annotations = at(m.job, "spec.template.metadata.annotations");
        assert_int_equal(json_string_length(json_object_get(annotations, key)), 150 * 1024);
        /* Of the Job itself, once is enough. */
        assert_null(json_object_get(at(m.job, "metadata.annotations"), key));
        gw_k8s_manifest_done(&m);

        m = with_script(500 * 1024, "#!/bin/sh\n");
        assert_int_equal(json_string_length(at(object_before(&m, "ConfigMap"), "data.script")),
                         500 * 1024);
        expect(object_before(&m, "ConfigMap"), "metadata.name", "\"" NAME "\"");
        expect(object_before(&m, "ConfigMap"), "kind", "\"ConfigMap\"");
        expect(m.job, POD "volumes",
               "[{\"name\": \"jobgate-program\", \"configMap\": {\"name\": \"" NAME
               "\", \"defaultMode\": 365}}]");
        assert_null(json_object_get(at(m.job, "spec.template.metadata.annotations"), key));
        gw_k8s_manifest_done(&m);
}

/* ---- arrays --------------------------------------------------------------------------------- */

static void check_array(const char *members, const char *index_set, const char *ordinals,
                        uint32_t max_parallel, const char *path, const char *expected)
{
        struct gw_k8s_manifest m;
        struct gw_spans spans;
        struct gw_error err = {0};
        assert_int_equal(gw_spans_parse(ordinals, &spans, NULL), 0);
        struct gw_submission s = {.index_set = index_set,
                                  .spans = spans.items,
                                  .span_count = spans.count,
                                  .max_parallel = max_parallel};
        if (make(members, &s, &m, &err))
                fail_msg("%s: %s %s", members, err.pointer, err.message);
        expect(m.job, path, expected);
        gw_spans_done(&spans);
        gw_k8s_manifest_done(&m);
}

#define TEN "{\"array\": {\"indices\": \"0-9\"}}"
#define INDEX                                                                                      \
        "{\"name\": \"JOBGATE_TASK_INDEX\", \"valueFrom\": {\"fieldRef\": {\"fieldPath\": "        \
        "\"metadata.annotations['batch.kubernetes.io/job-completion-index']\"}}}"

static void arrays_are_indexed(void **state)
{
        (void)state;
        check_array(TEN, "0-9", "0-9", 0, "spec.completionMode", "\"Indexed\"");
        check_array(TEN, "0-9", "0-9", 0, "spec.completions", "10");
        check_array(TEN, "0-9", "0-9", 0, "spec.parallelism", "10");
        check_array(TEN, "0-9", "0-9", 4, "spec.parallelism", "4");
        check_array(TEN, "0-9", "0-9", 40, "spec.parallelism", "10");
        check_array(TEN, "0-9", "0-9", 0, "spec.backoffLimit", NULL);
        check_array(TEN, "0-9", "0-9", 0, "spec.backoffLimitPerIndex", "0");
        check_array(TEN, "0-9", "0-9", 0, "spec.podFailurePolicy.rules.0.action", "\"FailIndex\"");
        check_array(TEN, "0-9", "3,7", 0, "spec.completions", "2");
}

/* Where the completion index is the task's own no shell is needed. */
static void a_task_knows_its_index(void **state)
{
        (void)state;
        check_array(TEN, "0-9", "0-9", 0, MAIN "env.2", INDEX);
        check_array(TEN, "0-9", "0-4", 0, MAIN "env.2", INDEX);
        check_array(TEN, "0-9", "0-4", 0, MAIN "command", "[\"true\"]");
        check_array(TEN, "0-9", "1-4", 0, MAIN "env.2", NULL);
        check_array("{\"array\": {\"indices\": \"5-9\"}}", "5-9", "0-4", 0, MAIN "env.2", NULL);
        check_array("{\"array\": {\"indices\": \"0-8:2\"}}", "0-8:2", "0-4", 0, MAIN "env.2", NULL);
}

/* What its shell makes of it. */
static void run_task(const json_t *command, const char *place, const char *expected)
{
        int out[2];
        char text[256] = "";
        char *argv[16] = {0};
        for (size_t i = 0; i < json_array_size(command) && i < 15; i++) {
                const json_t *word = json_array_get(command, i);
                argv[i] = malloc(json_string_length(word) + 1);
                assert_non_null(argv[i]);
                expand(json_string_value(word), argv[i]);
        }
        assert_int_equal(pipe(out), 0);
        pid_t pid = fork();
        if (pid == 0) {
                char variable[64];
                snprintf(variable, sizeof variable, "JOB_COMPLETION_INDEX=%s", place);
                char *const environment[] = {variable, NULL};
                dup2(out[1], 1);
                execve(argv[0], argv, environment);
                _exit(127);
        }
        close(out[1]);
        assert_true(read(out[0], text, sizeof text - 1) >= 0);
        close(out[0]);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        for (size_t i = 0; argv[i]; i++)
                free(argv[i]);
        assert_string_equal(text, expected);
}

static void a_task_finds_out_its_index(void **state)
{
        (void)state;
        struct gw_k8s_manifest m;
        struct gw_span spans[] = {{1, 2}, {4, 5}};
        struct gw_submission s = {.index_set = "0-5:5,7,10-12", .spans = spans, .span_count = 2};
        assert_int_equal(make("{\"array\": {\"indices\": \"0-5:5,7,10-12\"}, \"command\": "
                              "[\"/bin/sh\", \"-c\", \"echo i=$JOBGATE_TASK_INDEX\"]}",
                              &s, &m, NULL),
                         0);
        const json_t *command = at(m.job, MAIN "command");
        run_task(command, "0", "i=5\n");
        run_task(command, "1", "i=7\n");
        run_task(command, "2", "i=11\n");
        run_task(command, "3", "i=12\n");
        uint32_t ordinal;
        assert_int_equal(gw_k8s_tasks_ordinal(&m.tasks, 2, &ordinal), 0);
        assert_int_equal(ordinal, 4);
        assert_int_equal(gw_k8s_tasks_ordinal(&m.tasks, 4, &ordinal), -1);
        gw_k8s_manifest_done(&m);
}

static void too_many_tasks(void **state)
{
        (void)state;
        struct gw_k8s_manifest m;
        struct gw_span most = {0, 99999}, more = {0, 100000};
        struct gw_submission s = {.index_set = "0-199999", .spans = &most, .span_count = 1};
        struct gw_error err = {0};
        assert_int_equal(make(TEN, &s, &m, &err), 0);
        gw_k8s_manifest_done(&m);
        s.spans = &more;
        assert_int_equal(make(TEN, &s, &m, &err), -1);
        assert_string_equal(err.pointer, "/array");
}

/* ---- several machines ----------------------------------------------------------------------- */

static void several_machines_find_each_other(void **state)
{
        (void)state;
        struct gw_k8s_manifest m;
        struct gw_submission s = {0};
        assert_int_equal(make("{\"resources\": {\"nodes\": 4}, \"environment\": {\"MASTER_PORT\": "
                              "\"7\"}}",
                              &s, &m, NULL),
                         0);
        expect(m.job, "spec.completionMode", "\"Indexed\"");
        expect(m.job, "spec.completions", "4");
        expect(m.job, "spec.parallelism", "4");
        expect(m.job, "spec.backoffLimit", "0");
        expect(m.job, "spec.podFailurePolicy.rules.0.action", "\"FailJob\"");
        expect(m.job, POD "subdomain", "\"" NAME "\"");
        expect(m.job, MAIN "env.0", "{\"name\": \"MASTER_PORT\", \"value\": \"7\"}");
        expect(m.job, MAIN "env.3",
               "{\"name\": \"MASTER_ADDR\", \"value\": \"" NAME "-0." NAME "\"}");
        expect(m.job, MAIN "env.4", "{\"name\": \"WORLD_SIZE\", \"value\": \"4\"}");
        expect(m.job, MAIN "env.5.name", "\"RANK\"");
        expect(m.job, MAIN "env.6.name", "\"NODE_RANK\"");
        expect(object_before(&m, "Service"), "spec",
               "{\"clusterIP\": \"None\", \"publishNotReadyAddresses\": true, \"selector\": "
               "{\"jobgate.dev/job\": \"" ID "\", \"jobgate.dev/submission\": \"2\"}}");
        expect(object_before(&m, "Service"), "metadata.name", "\"" NAME "\"");
        gw_k8s_manifest_done(&m);

        struct gw_span span = {0, 9};
        struct gw_submission array = {.index_set = "0-9", .spans = &span, .span_count = 1};
        struct gw_error err = {0};
        assert_int_equal(make("{\"resources\": {\"nodes\": 2}, \"array\": {\"indices\": \"0-9\"}}",
                              &array, &m, &err),
                         -1);
        assert_string_equal(err.pointer, "/resources/nodes");
}

/* ---- the rest ------------------------------------------------------------------------------- */

static void held_is_suspended(void **state)
{
        (void)state;
        struct gw_k8s_manifest m;
        struct gw_submission s = {.held = true};
        assert_int_equal(make("{}", &s, &m, NULL), 0);
        expect(m.job, "spec.suspend", "true");
        gw_k8s_manifest_done(&m);
}

static void a_site_may_allow_root(void **state)
{
        (void)state;
        the_site.allow_root = true;
        the_site.user = the_site.group = 0;
        check("{}", POD "securityContext", "{\"seccompProfile\": {\"type\": \"RuntimeDefault\"}}");
}

static void texts_stay_what_they_are(void **state)
{
        (void)state;
        static const char *const texts[] = {"",
                                            "$",
                                            "$$",
                                            "$$$",
                                            "$$$$",
                                            "a$",
                                            "$(X)",
                                            "$$(X)",
                                            "$$$(X)",
                                            "$(",
                                            "$x$(y)$$z$",
                                            "$\xC3\xA9",
                                            "$$\xC3\xA9$",
                                            "${X} $1 $@ $? $(($$ + 1))",
                                            "$ $( $)"};
        for (size_t i = 0; i < GW_COUNT(texts); i++) {
                char out[128];
                json_auto_t *literal = gw_k8s_literal(texts[i]);
                expand(json_string_value(literal), out);
                assert_string_equal(out, texts[i]);
        }
}

static void identities(void **state)
{
        (void)state;
        static const char *const bad[] = {NULL,
                                          "{}",
                                          "x",
                                          "{\"namespace\": \"A\"}",
                                          "{\"namespace\": \"a\", \"service_account\": \"B_\"}",
                                          "{\"user\": \"a\"}"};
        struct gw_k8s_identity identity;
        json_t *json;
        for (size_t i = 0; i < GW_COUNT(bad); i++) {
                struct gw_error err = {0};
                assert_int_equal(gw_k8s_identity_read(bad[i], &identity, &json, &err), -1);
                assert_int_equal(err.code, GW_ERR_UNPROCESSABLE);
        }
        assert_int_equal(gw_k8s_identity_read("{\"namespace\": \"a\"}", &identity, &json, NULL), 0);
        assert_string_equal(identity.namespace, "a");
        assert_null(identity.service_account);
        json_decref(json);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup(the_plainest_job, set_site),
                cmocka_unit_test_setup(the_same_submission_gives_the_same_bytes, set_site),
                cmocka_unit_test_setup(fields_have_their_places, set_site),
                cmocka_unit_test_setup(the_queue_is_a_label_of_the_job, set_site),
                cmocka_unit_test_setup(environment, set_site),
                cmocka_unit_test_setup(volumes, set_site),
                cmocka_unit_test_setup(what_is_refused, set_site),
                cmocka_unit_test_setup(programs, set_site),
                cmocka_unit_test_setup(scripts_of_all_sizes, set_site),
                cmocka_unit_test_setup(arrays_are_indexed, set_site),
                cmocka_unit_test_setup(a_task_knows_its_index, set_site),
                cmocka_unit_test_setup(a_task_finds_out_its_index, set_site),
                cmocka_unit_test_setup(too_many_tasks, set_site),
                cmocka_unit_test_setup(several_machines_find_each_other, set_site),
                cmocka_unit_test_setup(held_is_suspended, set_site),
                cmocka_unit_test_setup(a_site_may_allow_root, set_site),
                cmocka_unit_test(texts_stay_what_they_are),
                cmocka_unit_test(identities),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
