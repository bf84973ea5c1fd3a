/* Manifests as textbooks have them, and as nobody should send them. */
#include "backends/kubernetes/import.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/kubernetes/manifest.h"
#include "openapi/schemas.h"
#include "server/base/cleanup.h"
#include "server/model/decode.h"

#define HEAD "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: train\n"
#define POD                                                                                        \
        "  template:\n    spec:\n      restartPolicy: Never\n      containers:\n"                  \
        "      - name: c\n        image: python:3.12\n        command: [python, train.py]\n"
#define PLAIN HEAD "spec:\n  backoffLimit: 0\n" POD

static json_t *import(const char *text, struct gw_warnings *warnings)
{
        struct gw_error err = {0};
        json_t *spec = gw_k8s_import(text, strlen(text), warnings, &err);
        if (!spec)
                fail_msg("%s\n%s %s", text, err.pointer, err.message);
        return spec;
}

static void expect(const json_t *object, const char *name, const char *expected)
{
        json_auto_t *wanted = expected ? json_loads(expected, JSON_DECODE_ANY, NULL) : NULL;
        const json_t *found = json_object_get(object, name);
        if (!expected ? !found : json_equal(found, wanted))
                return;
        gw_autofree char *text = json_dumps(found, JSON_ENCODE_ANY);
        fail_msg("%s: %s, not %s", name, text ? text : "nothing", expected ? expected : "nothing");
}

static bool has_warning(const struct gw_warnings *w, const char *pointer)
{
        for (size_t i = 0; i < w->count; i++)
                if (strcmp(w->items[i].pointer, pointer) == 0)
                        return true;
        return false;
}

/* ---- what is taken over --------------------------------------------------------------------- */

static void a_textbook_job(void **state)
{
        (void)state;
        struct gw_warnings warnings;
        gw_warnings_init(&warnings);
        json_auto_t *spec = import(
                "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: gpu-train\n  namespace: ml\n"
                "  labels: {team: vision, kueue.x-k8s.io/queue-name: gold}\n"
                "  annotations: {note: x}\nspec:\n  backoffLimit: 3\n  activeDeadlineSeconds: 3600\n"
                "  ttlSecondsAfterFinished: 100\n  template:\n    metadata:\n      labels: {app: t}\n"
                "    spec:\n      restartPolicy: OnFailure\n      activeDeadlineSeconds: 600\n"
                "      nodeSelector: {gpu: a100}\n      containers:\n      - name: trainer\n"
                "        image: nvcr.io/nvidia/pytorch:25.01-py3\n"
                "        resources:\n          limits: {nvidia.com/gpu: 1, memory: 16Gi}\n"
                "          requests: {cpu: '4'}\n"
                "        volumeMounts: [{name: data, mountPath: /data}]\n"
                "      volumes:\n      - name: data\n"
                "        persistentVolumeClaim: {claimName: datasets}\n",
                &warnings);
        expect(spec, "name", "\"gpu-train\"");
        expect(spec, "labels", "{\"team\": \"vision\"}");
        expect(spec, "queue", "\"gold\"");
        expect(spec, "deadline", "3600");
        expect(spec, "time_limit", "600");
        expect(spec, "image", "\"nvcr.io/nvidia/pytorch:25.01-py3\"");
        expect(spec, "resources", "{\"gpus\": 1, \"cpus\": \"4\", \"memory\": \"16Gi\"}");
        expect(spec, "array", NULL);
        expect(spec, "hold", NULL);
        expect(spec, "retry",
               "{\"limit\": 3, \"delay\": 10, \"backoff\": 2, \"max_delay\": 360, \"on\": "
               "[\"exit_code\", \"signal\", \"out_of_memory\", \"time_limit\", \"node_failure\", "
               "\"preempted\", \"evicted\", \"launch_failed\"]}");
        expect(spec, "manifest",
               "{\"job\": {\"metadata\": {\"labels\": {}, \"annotations\": {\"note\": \"x\"}}, "
               "\"spec\": {\"template\": {\"metadata\": {\"labels\": {\"app\": \"t\"}}, \"spec\": "
               "{\"nodeSelector\": {\"gpu\": \"a100\"}, \"containers\": [{\"name\": \"trainer\", "
               "\"image\": \"nvcr.io/nvidia/pytorch:25.01-py3\", \"resources\": {\"limits\": "
               "{\"nvidia.com/gpu\": 1, \"memory\": \"16Gi\"}, \"requests\": {\"cpu\": \"4\"}}, "
               "\"volumeMounts\": [{\"name\": \"data\", \"mountPath\": \"/data\"}]}], \"volumes\": "
               "[{\"name\": \"data\", \"persistentVolumeClaim\": {\"claimName\": \"datasets\"}}]}}}}, "
               "\"config_maps\": []}");
        static const char *const told[] = {
                "/metadata/name", "/metadata/namespace", "/spec/activeDeadlineSeconds",
                "/spec/ttlSecondsAfterFinished", "/spec/template/spec/restartPolicy"};
        for (size_t i = 0; i < GW_COUNT(told); i++)
                if (!has_warning(&warnings, told[i]))
                        fail_msg("nothing is said of %s", told[i]);
        assert_int_equal(warnings.count, GW_COUNT(told));
}

static void how_often_and_how_many(void **state)
{
        (void)state;
        static const struct {
                const char *spec, *member, *expected;
        } rows[] = {
                {"  backoffLimit: 0\n", "retry", "{\"limit\": 0}"},
                {"  suspend: true\n", "hold", "true"},
                {"  suspend: false\n", "hold", NULL},
                {"  completions: 1\n", "array", NULL},
                {"  completions: 5\n  parallelism: 2\n", "array",
                 "{\"indices\": \"0-4\", \"max_parallel\": 2}"},
                {"  completions: 5\n", "array", "{\"indices\": \"0-4\", \"max_parallel\": 1}"},
                {"  completions: 5\n  parallelism: 9\n", "array", "{\"indices\": \"0-4\"}"},
                {"  completionMode: Indexed\n  completions: 1\n", "array", "{\"indices\": \"0\"}"},
                {"  completionMode: Indexed\n  completions: 3\n  parallelism: 3\n", "array",
                 "{\"indices\": \"0-2\"}"},
        };
        for (size_t i = 0; i < GW_COUNT(rows); i++) {
                char text[2048];
                snprintf(text, sizeof text, HEAD "spec:\n%s" POD, rows[i].spec);
                json_auto_t *spec = import(text, NULL);
                expect(spec, rows[i].member, rows[i].expected);
        }
        json_auto_t *silent = import(HEAD "spec:\n" POD, NULL);
        assert_int_equal(
                json_integer_value(json_object_get(json_object_get(silent, "retry"), "limit")), 6);
        json_auto_t *each = import(HEAD "spec:\n  completionMode: Indexed\n  completions: 2\n"
                                        "  backoffLimitPerIndex: 1\n  backoffLimit: 50\n" POD,
                                   NULL);
        assert_int_equal(
                json_integer_value(json_object_get(json_object_get(each, "retry"), "limit")), 1);
}

static void names(void **state)
{
        (void)state;
#define NAMED(metadata)                                                                            \
        "apiVersion: batch/v1\nkind: Job\nmetadata: {" metadata "}\nspec:\n  backoffLimit: 0\n" POD
        json_auto_t *generated = import(NAMED("generateName: train-"), NULL);
        expect(generated, "name", "\"train\"");
        json_auto_t *none = import(NAMED(""), NULL);
        expect(none, "name", NULL);
        struct gw_warnings warnings;
        gw_warnings_init(&warnings);
        json_auto_t *longer =
                import(NAMED("name: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                             "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
                       &warnings);
        expect(longer, "name", NULL);
        assert_true(has_warning(&warnings, "/metadata/name"));
}

static void what_was_read_back_from_a_cluster(void **state)
{
        (void)state;
        json_auto_t *record =
                json_load_file(GW_TEST_DATA "/backends/kubernetes/records/indexed20.json", 0, NULL);
        gw_autofree char *text = json_dumps(json_object_get(record, "job"), 0);
        json_auto_t *spec = import(text, NULL);
        const json_t *job = json_object_get(json_object_get(spec, "manifest"), "job");
        expect(spec, "name", "\"indexed20\"");
        expect(json_object_get(job, "metadata"), "labels", "{}");
        expect(job, "status", NULL);
        expect(json_object_get(job, "spec"), "selector", NULL);
        json_auto_t *applied = import(
                HEAD
                "  annotations: {kubectl.kubernetes.io/last-applied-configuration: '{}', a: b}\nspec:\n" POD,
                NULL);
        expect(json_object_get(json_object_get(json_object_get(applied, "manifest"), "job"),
                               "metadata"),
               "annotations", "{\"a\": \"b\"}");
}

/* ---- what is refused ------------------------------------------------------------------------ */

static void check_refused(const char *text, enum gw_error_code code, const char *pointer,
                          const char *words)
{
        struct gw_error err = {0};
        json_auto_t *spec = gw_k8s_import(text, strlen(text), NULL, &err);
        if (spec || err.code != code || strcmp(err.pointer, pointer) != 0 ||
            !strstr(err.message, words))
                fail_msg("%s\n%d \"%s\" %s", text, (int)err.code, err.pointer, err.message);
}

static void what_is_no_job(void **state)
{
        (void)state;
        static const struct {
                const char *text, *words;
        } rows[] = {
                {"", "no Job"},
                {"---\n---\n", "no Job"},
                {"7", "no kind"},
                {"[]", "no kind"},
                {"a: [", "manifest:"},
                {"a: 1\na: 2\n", "manifest:2:"},
                {"apiVersion: apps/v1\nkind: Deployment\n", "Deployment of apps/v1"},
                {"kind: Job\n", "Job of no apiVersion"},
                {"apiVersion: v1\nkind: Secret\n---\n" PLAIN, "Secret of v1"},
                {"apiVersion: v1\nkind: Pod\n", "Pod of v1"},
                {PLAIN "---\n" PLAIN, "several Jobs"},
                {"apiVersion: v1\nkind: List\nitems: [{apiVersion: v1, kind: List, items: []}]\n",
                 "List of v1"},
                {"apiVersion: v1\nkind: ConfigMap\n", "no Job"},
        };
        for (size_t i = 0; i < GW_COUNT(rows); i++)
                check_refused(rows[i].text, GW_ERR_INVALID, "", rows[i].words);
}

static void what_cannot_be_run_so(void **state)
{
        (void)state;
        static const struct {
                const char *text, *pointer;
        } rows[] = {
                {HEAD "spec:\n  backoffLimit: -1\n" POD, "/spec/backoffLimit"},
                {HEAD "spec:\n  backoffLimit: x\n" POD, "/spec/backoffLimit"},
                {HEAD "spec:\n  activeDeadlineSeconds: 0\n" POD, "/spec/activeDeadlineSeconds"},
                {HEAD "spec:\n  parallelism: 3\n" POD, "/spec/completions"},
                {HEAD "spec:\n  parallelism: 0\n" POD, "/spec/parallelism"},
                {HEAD "spec:\n  completionMode: Indexed\n" POD, "/spec/completions"},
                {HEAD "spec:\n  completions: 100001\n" POD, "/spec/completions"},
                {HEAD "spec:\n  successPolicy: {rules: []}\n" POD, "/spec/successPolicy"},
                {HEAD "spec:\n  managedBy: a/b\n" POD, "/spec/managedBy"},
                {HEAD, "/spec/template/spec/restartPolicy"},
                {HEAD "spec: 7\n", "/spec/template/spec/restartPolicy"},
                {HEAD "spec: {template: {spec: {restartPolicy: Always}}}\n",
                 "/spec/template/spec/restartPolicy"},
                {HEAD "spec: {template: {spec: {restartPolicy: Never}}}\n",
                 "/spec/template/spec/containers"},
                {HEAD "spec: {template: {spec: {restartPolicy: Never, containers: [{name: c}]}}}\n",
                 "/spec/template/spec/containers/0/image"},
        };
        for (size_t i = 0; i < GW_COUNT(rows); i++)
                check_refused(rows[i].text, GW_ERR_UNPROCESSABLE, rows[i].pointer, "");
}

static void what_is_too_much(void **state)
{
        (void)state;
        struct gw_buf text = GW_BUF_INIT(1 << 22);
        for (size_t i = 0; i < GW_K8S_MOST_DOCUMENTS - 1; i++)
                gw_buf_str(&text, "apiVersion: v1\nkind: ConfigMap\n---\n");
        gw_buf_str(&text, PLAIN);
        json_auto_t *spec = import(text.data, NULL);
        assert_int_equal(
                json_array_size(json_object_get(json_object_get(spec, "manifest"), "config_maps")),
                GW_K8S_MOST_DOCUMENTS - 1);
        gw_buf_str(&text, "---\napiVersion: v1\nkind: ConfigMap\n");
        check_refused(text.data, GW_ERR_INVALID, "", "more than 16 documents");

        gw_buf_clear(&text);
        gw_buf_str(&text, "a: &a [x,x,x,x,x,x,x,x,x,x]\n");
        for (char c = 'b'; c < 'j'; c++)
                gw_buf_printf(&text, "%c: &%c [*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c]\n", c, c, c - 1,
                              c - 1, c - 1, c - 1, c - 1, c - 1, c - 1, c - 1, c - 1);
        check_refused(text.data, GW_ERR_INVALID, "", "too");

        gw_buf_clear(&text);
        for (size_t i = 0; i < 40; i++)
                gw_buf_char(&text, '[');
        for (size_t i = 0; i < 40; i++)
                gw_buf_char(&text, ']');
        check_refused(text.data, GW_ERR_INVALID, "", "too deep");
        gw_buf_done(&text);
}

/* ---- and out again -------------------------------------------------------------------------- */

#define ID "01926a3b-7c4d-7e5f-8a6b-9c7d8e9f0a1b"
#define NAME "jg-" ID "-1"

/* As it is after a submit: what was taken over is what the contract takes. */
static char *resolved(json_t *spec)
{
        struct gw_faults faults;
        struct gw_spec ret = {0};
        gw_faults_init(&faults);
        if (gw_decode(&gw_schema_JobSpec, spec, "", &faults) ||
            gw_spec_resolve(spec, false, 0, &ret, NULL, &faults))
                fail_msg("%s: %s", faults.items[0].pointer, faults.items[0].detail);
        gw_spec_done(&ret);
        return json_dumps(spec, 0);
}

static int make(const char *text, struct gw_submission *s, const struct gw_k8s_site *site,
                struct gw_k8s_manifest *ret, struct gw_error *err)
{
        static const struct gw_k8s_identity identity = {"team-a", NULL};
        json_auto_t *spec = import(text, NULL);
        gw_autofree char *dumped = resolved(spec);
        assert_int_equal(gw_id_parse(ID, &s->mark.job), 0);
        s->mark.number = 1;
        s->spec = dumped;
        s->spec_len = strlen(dumped);
        s->name = json_string_value(json_object_get(spec, "name"));
        s->project = "main";
        s->attempt = 1;
        return gw_k8s_manifest_init(ret, s, &identity, site, err);
}

static void what_is_ours_is_put_over_it(void **state)
{
        (void)state;
        const struct gw_k8s_site site = gw_k8s_site_default();
        struct gw_submission s = {0};
        struct gw_k8s_manifest m;
        struct gw_error err = {0};
        if (make(HEAD "  labels: {team: v}\nspec:\n  backoffLimit: 2\n  template:\n    spec:\n"
                      "      restartPolicy: OnFailure\n      terminationGracePeriodSeconds: 5\n"
                      "      securityContext: {runAsNonRoot: true}\n      containers:\n"
                      "      - {name: c, image: i, env: [{name: A, value: $(B)}]}\n"
                      "      - {name: d, image: i, securityContext: {privileged: false, "
                      "capabilities: {drop: [KILL]}}}\n",
                 &s, &site, &m, &err))
                fail_msg("%s %s", err.pointer, err.message);
        json_auto_t *wanted = json_loads(
                "{\"backoffLimit\": 0, \"completions\": 1, \"parallelism\": 1, "
                "\"podReplacementPolicy\": \"Failed\", \"podFailurePolicy\": {\"rules\": "
                "[{\"action\": \"FailJob\", \"onPodConditions\": [{\"type\": \"DisruptionTarget\", "
                "\"status\": \"True\"}]}]}, \"ttlSecondsAfterFinished\": 604800, \"template\": "
                "{\"metadata\": {\"labels\": {\"team\": \"v\", \"app.kubernetes.io/managed-by\": "
                "\"jobgate\", \"jobgate.dev/job\": \"" ID "\", \"jobgate.dev/submission\": \"1\", "
                "\"jobgate.dev/name\": \"train\", \"jobgate.dev/project\": \"main\"}, "
                "\"annotations\": {\"jobgate.dev/mark\": \"" ID ".1\", \"jobgate.dev/name\": "
                "\"train\", \"jobgate.dev/labels\": \"{\\\"team\\\":\\\"v\\\"}\"}}, \"spec\": "
                "{\"restartPolicy\": \"Never\", \"terminationGracePeriodSeconds\": 5, "
                "\"automountServiceAccountToken\": false, \"enableServiceLinks\": false, "
                "\"securityContext\": {\"runAsNonRoot\": true, \"seccompProfile\": {\"type\": "
                "\"RuntimeDefault\"}, \"runAsUser\": 1000, \"runAsGroup\": 1000, \"fsGroup\": 1000}, "
                "\"containers\": [{\"name\": \"c\", \"image\": \"i\", \"env\": [{\"name\": \"A\", "
                "\"value\": \"$(B)\"}, {\"name\": \"JOBGATE_JOB_ID\", \"value\": \"" ID "\"}, "
                "{\"name\": \"JOBGATE_ATTEMPT\", \"value\": \"1\"}, {\"name\": "
                "\"JOBGATE_TASK_INDEX\", \"value\": \"0\"}], \"securityContext\": "
                "{\"allowPrivilegeEscalation\": false, \"capabilities\": {\"drop\": [\"ALL\"]}}}, "
                "{\"name\": \"d\", \"image\": \"i\", \"securityContext\": {\"privileged\": false, "
                "\"allowPrivilegeEscalation\": false, \"capabilities\": {\"drop\": "
                "[\"ALL\"]}}}]}}}",
                0, NULL);
        gw_autofree char *text = json_dumps(json_object_get(m.job, "spec"), JSON_SORT_KEYS);
        gw_autofree char *expected = json_dumps(wanted, JSON_SORT_KEYS);
        assert_string_equal(text, expected);
        const json_t *metadata = json_object_get(m.job, "metadata");
        assert_string_equal(json_string_value(json_object_get(metadata, "name")), NAME);
        assert_string_equal(json_string_value(json_object_get(metadata, "namespace")), "team-a");
        gw_k8s_manifest_done(&m);
}

static void config_maps_get_names_of_their_own(void **state)
{
        (void)state;
        const struct gw_k8s_site site = gw_k8s_site_default();
        struct gw_submission s = {0};
        struct gw_k8s_manifest m;
        struct gw_error err = {0};
        if (make("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: code, namespace: x, labels: {a: "
                 "b}}\ndata: {main.py: print(1)}\n---\n" HEAD
                 "spec:\n  template:\n    spec:\n      restartPolicy: Never\n"
                 "      volumes: [{name: v, configMap: {name: code}}, {name: w, configMap: {name: "
                 "other}}, {name: x, projected: {sources: [{configMap: {name: code}}]}}]\n"
                 "      containers:\n      - name: c\n        image: i\n"
                 "        envFrom: [{configMapRef: {name: code}}]\n"
                 "        env: [{name: A, valueFrom: {configMapKeyRef: {name: code, key: k}}}]\n",
                 &s, &site, &m, &err))
                fail_msg("%s %s", err.pointer, err.message);
        gw_autofree char *text = json_dumps(m.job, JSON_COMPACT);
        size_t count = 0;
        for (const char *p = text; (p = strstr(p, "{\"name\":\"" NAME "-0\"")); p++)
                count++;
        assert_int_equal(count, 4);
        assert_null(strstr(text, "\"code\""));
        assert_non_null(strstr(text, "{\"name\":\"other\"}"));
        const json_t *map = json_array_get(m.before, 0);
        const json_t *metadata = json_object_get(map, "metadata");
        assert_string_equal(json_string_value(json_object_get(metadata, "name")), NAME "-0");
        assert_string_equal(json_string_value(json_object_get(metadata, "namespace")), "team-a");
        expect(map, "data", "{\"main.py\": \"print(1)\"}");
        gw_k8s_manifest_done(&m);
}

/* What a site does not permit in a patch it does not in a manifest. */
static void what_reaches_out_is_refused(void **state)
{
        (void)state;
        static const struct {
                const char *pod, *pointer;
        } rows[] = {
                {"hostNetwork: true", "/hostNetwork"},
                {"hostPID: true", "/hostPID"},
                {"serviceAccountName: admin", "/serviceAccountName"},
                {"nodeName: n", "/nodeName"},
                {"volumes: [{name: v, hostPath: {path: /}}]", "/volumes/0/hostPath/path"},
                {"volumes: [{name: v, nfs: {server: s}}]", "/volumes/0/nfs/server"},
                {"volumes: [{name: v, somethingNew: {}}]", "/volumes/0/somethingNew"},
                {"securityContext: {runAsUser: 0}", "/securityContext/runAsUser"},
                {"initContainers: [{name: i, securityContext: {privileged: true}}]",
                 "/initContainers/0/securityContext/privileged"},
                {"initContainers: [{name: i, lifecycle: {preStop: {tcpSocket: {host: h}}}}]",
                 "/initContainers/0/lifecycle/preStop/tcpSocket/host"},
                {"ephemeralContainers: [{securityContext: {capabilities: {add: [A]}}}]",
                 "/ephemeralContainers/0/securityContext/capabilities/add/0"},
        };
        struct gw_k8s_site site = gw_k8s_site_default();
        for (size_t i = 0; i < GW_COUNT(rows); i++) {
                char text[2048];
                struct gw_submission s = {0};
                struct gw_k8s_manifest m;
                struct gw_error err = {0};
                snprintf(text, sizeof text, PLAIN "      %s\n", rows[i].pod);
                if (make(text, &s, &site, &m, &err) != -1)
                        fail_msg("%s passes", rows[i].pod);
                static const char before[] = "/manifest/job/spec/template/spec";
                assert_memory_equal(err.pointer, before, sizeof before - 1);
                assert_string_equal(err.pointer + sizeof before - 1, rows[i].pointer);
        }
        json_auto_t *paths = json_pack("[s]", "/spec/template/spec/hostNetwork");
        site.patch_paths = paths;
        struct gw_submission s = {0};
        struct gw_k8s_manifest m;
        assert_int_equal(make(PLAIN "      hostNetwork: true\n", &s, &site, &m, NULL), 0);
        gw_k8s_manifest_done(&m);
}

static size_t count_of(const char *text, const char *part)
{
        size_t count = 0;
        for (; (text = strstr(text, part)); text += strlen(part))
                count++;
        return count;
}

/* What a Job says for itself stays so, but for what is ours to say. */
static void its_own_stays(void **state)
{
        (void)state;
        struct gw_k8s_site site = gw_k8s_site_default();
        json_auto_t *paths = json_pack("[s]", "/spec/template/spec/securityContext/runAsUser");
        json_auto_t *secrets = json_pack("[s, s]", "a", "b");
        struct gw_submission s = {0};
        struct gw_k8s_manifest m;
        site.patch_paths = paths;
        site.pull_secrets = secrets;
        assert_int_equal(make(HEAD
                              "spec:\n  template:\n    spec:\n      restartPolicy: Never\n"
                              "      securityContext: {runAsUser: 2000}\n"
                              "      imagePullSecrets: [{name: b}]\n      containers:\n"
                              "      - {name: c, image: i, env: [{name: JOBGATE_ATTEMPT, value: "
                              "'9'}, {name: A, value: x}, {name: JOBGATE_X, value: y}]}\n",
                              &s, &site, &m, NULL),
                         0);
        gw_autofree char *text = json_dumps(m.job, JSON_COMPACT);
        assert_non_null(strstr(text, "\"runAsUser\":2000"));
        assert_non_null(strstr(text, "\"imagePullSecrets\":[{\"name\":\"b\"},{\"name\":\"a\"}]"));
        assert_non_null(strstr(text, "{\"name\":\"A\",\"value\":\"x\"}"));
        assert_int_equal(count_of(text, "\"JOBGATE_ATTEMPT\""), 1);
        assert_non_null(strstr(text, "{\"name\":\"JOBGATE_ATTEMPT\",\"value\":\"1\"}"));
        assert_int_equal(count_of(text, "JOBGATE_X"), 0);
        gw_k8s_manifest_done(&m);
}

/* A task that is tried again finds the index it had. */
static void an_index_stays_the_same(void **state)
{
        (void)state;
        static const char text[] = HEAD "spec:\n  completionMode: Indexed\n  completions: 5\n" POD;
        const struct gw_k8s_site site = gw_k8s_site_default();
        struct gw_k8s_manifest m;
        struct gw_span all = {0, 4}, one = {3, 3}, two[] = {{1, 1}, {3, 3}};
        struct gw_submission s = {.index_set = "0-4", .spans = &all, .span_count = 1};
        struct gw_error err = {0};
        assert_int_equal(make(text, &s, &site, &m, NULL), 0);
        gw_k8s_manifest_done(&m);
        s.spans = &one;
        assert_int_equal(make(text, &s, &site, &m, NULL), 0);
        gw_autofree char *job = json_dumps(m.job, JSON_COMPACT);
        assert_non_null(strstr(job, "{\"name\":\"JOB_COMPLETION_INDEX\",\"value\":\"3\"}"));
        gw_k8s_manifest_done(&m);
        s.spans = two;
        s.span_count = 2;
        assert_int_equal(make(text, &s, &site, &m, &err), -1);
        assert_string_equal(err.pointer, "/array");
}

static uint32_t together(const char *spec, const char *index_set, const struct gw_span *spans,
                         size_t count)
{
        const struct gw_submission s = {.spec = spec,
                                        .spec_len = strlen(spec),
                                        .index_set = index_set,
                                        .spans = spans,
                                        .span_count = count};
        return gw_k8s_most_together(&s);
}

static void what_goes_into_one_job(void **state)
{
        (void)state;
        static const char given[] = "{\"manifest\": {}}", own[] = "{\"command\": [\"x\"]}";
        static const struct gw_span some[] = {{0, 2}, {5, 6}}, later[] = {{3, 4}},
                                    huge[] = {{0, 999999}};
        assert_int_equal(together(own, "0-9", some, 2), 5);
        assert_int_equal(together(own, "3,5,8,9,10", later, 1), 2);
        assert_int_equal(together(own, "0-999999", huge, 1), 1000000);
        assert_int_equal(together(given, "0-9", some, 1), 3);
        assert_int_equal(together(given, "0-9", some, 2), 3);
        assert_int_equal(together(given, "0-9", later, 1), 1);
        assert_int_equal(together(given, "1-9", some, 1), 1);
        assert_int_equal(together(given, "0-999999", huge, 1), 1);
}

/* What is counted of a Job is what the Job says. */
static void what_it_asks_for_is_its_own(void **state)
{
        (void)state;
        static const struct {
                const char *member, *value, *pointer;
        } rows[] = {
                {"image", "\"other\"", "/image"},
                {"resources", "{\"cpus\": 1, \"memory\": \"1Gi\", \"gpus\": 3}", "/resources/gpus"},
                {"resources", "{\"cpus\": 3, \"memory\": \"1Gi\", \"gpus\": 0}", "/resources/cpus"},
                {"manifest", "{\"job\": {}}", "/manifest/job/spec/template/spec/containers"},
                {"manifest",
                 "{\"job\": {\"spec\": {\"template\": {\"spec\": {\"containers\": [7]}}}}}",
                 "/manifest/job/spec/template/spec/containers"},
        };
        static const char text[] = PLAIN "        resources: {requests: {cpu: 2}}\n";
        static const struct gw_k8s_identity identity = {"team-a", NULL};
        const struct gw_k8s_site site = gw_k8s_site_default();
        for (size_t i = 0; i < GW_COUNT(rows); i++) {
                json_auto_t *spec = import(text, NULL);
                gw_autofree char *as_resolved = resolved(spec);
                struct gw_k8s_manifest m;
                struct gw_error err = {0};
                json_object_set_new(spec, rows[i].member,
                                    json_loads(rows[i].value, JSON_DECODE_ANY, NULL));
                gw_autofree char *json = json_dumps(spec, JSON_COMPACT);
                const struct gw_submission s = {.spec = json,
                                                .spec_len = strlen(json),
                                                .name = "n",
                                                .project = "p",
                                                .mark.number = 1};
                assert_int_equal(gw_k8s_manifest_init(&m, &s, &identity, &site, &err), -1);
                assert_int_equal(err.code, GW_ERR_UNPROCESSABLE);
                assert_string_equal(err.pointer, rows[i].pointer);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_textbook_job),
                cmocka_unit_test(how_often_and_how_many),
                cmocka_unit_test(names),
                cmocka_unit_test(what_was_read_back_from_a_cluster),
                cmocka_unit_test(what_is_no_job),
                cmocka_unit_test(what_cannot_be_run_so),
                cmocka_unit_test(what_is_too_much),
                cmocka_unit_test(what_is_ours_is_put_over_it),
                cmocka_unit_test(config_maps_get_names_of_their_own),
                cmocka_unit_test(what_reaches_out_is_refused),
                cmocka_unit_test(its_own_stays),
                cmocka_unit_test(an_index_stays_the_same),
                cmocka_unit_test(what_goes_into_one_job),
                cmocka_unit_test(what_it_asks_for_is_its_own),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
