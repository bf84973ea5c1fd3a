/*
 * What sbatch's end means. It says in English what slurmctld's error number was; that there was one
 * stands in one line. Pure.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "backends/slurm/raw.h"
#include "server/base/cleanup.h"
#include "server/base/str.h"

#define USAGE_STATUS 255 /* what sbatch does not understand */

static const char failed[] = "Batch job submission failed: ";

/* slurm_strerror() of what slurmctld may say to a submission that it does not take; and of what
 * says that none was sent, or that nobody knows. Whatever else it is may be the words of a plugin
 * that does not take it. */
static const struct text {
        const char *text;
        enum gw_slurm_sbatch_verdict verdict;
} texts[] = {
        {"Unable to contact slurm controller (connect failure)", GW_SBATCH_NOT_SENT},
        {"System submissions disabled", GW_SBATCH_NOT_SENT},
        {"Slurm backup controller in standby mode", GW_SBATCH_NOT_SENT},
        {"Controller is in standby mode, try a different controller", GW_SBATCH_NOT_SENT},
        {"Socket timed out on send/recv operation", GW_SBATCH_UNKNOWN},
        {"Zero Bytes were transmitted or received", GW_SBATCH_UNKNOWN},
        {"Unexpected message received", GW_SBATCH_UNKNOWN},
        {"Communication connection failure", GW_SBATCH_UNKNOWN},
        {"Communication shutdown failure", GW_SBATCH_UNKNOWN},
        {"Message send failure", GW_SBATCH_UNKNOWN},
        {"Message receive failure", GW_SBATCH_UNKNOWN},
        {"Unexpected missing socket error", GW_SBATCH_UNKNOWN},
        {"Incompatible versions of client and server code", GW_SBATCH_UNKNOWN},
        {"Unable to contact slurm controller (send failure)", GW_SBATCH_UNKNOWN},
        {"Unable to contact slurm controller (receive failure)", GW_SBATCH_UNKNOWN},
        {"Unable to contact slurm controller (shutdown failure)", GW_SBATCH_UNKNOWN},
        {"Received zero length message", GW_SBATCH_UNKNOWN},
        {"Received message length < 0", GW_SBATCH_UNKNOWN},
        {"Failed to send entire message", GW_SBATCH_UNKNOWN},
        {"Header lengths are longer than data received", GW_SBATCH_UNKNOWN},
        {"Protocol authentication error", GW_SBATCH_UNKNOWN},
        {"Insane message length", GW_SBATCH_UNKNOWN},
        {"Connection refused", GW_SBATCH_UNKNOWN},
        {"Connection reset by peer", GW_SBATCH_UNKNOWN},
        {"Connection timed out", GW_SBATCH_UNKNOWN},
        {"No route to host", GW_SBATCH_UNKNOWN},
        {"Network is unreachable", GW_SBATCH_UNKNOWN},
        {"Transport endpoint is not connected", GW_SBATCH_UNKNOWN},
        {"Broken pipe", GW_SBATCH_UNKNOWN},
        {"Resource temporarily unavailable", GW_SBATCH_UNKNOWN},
        {"Invalid partition name specified", GW_SBATCH_REFUSED},
        {"No partition specified or system default partition", GW_SBATCH_REFUSED},
        {"Access/permission denied", GW_SBATCH_REFUSED},
        {"User's group not permitted to use this partition", GW_SBATCH_REFUSED},
        {"Requested nodes not in this partition", GW_SBATCH_REFUSED},
        {"More processors requested than permitted", GW_SBATCH_REFUSED},
        {"Node count specification invalid", GW_SBATCH_REFUSED},
        {"Job size specification needs to be provided", GW_SBATCH_REFUSED},
        {"Job script not specified", GW_SBATCH_REFUSED},
        {"Invalid user id", GW_SBATCH_REFUSED},
        {"Pathname of a file, directory or other parameter too long", GW_SBATCH_REFUSED},
        {"Requested node configuration is not available", GW_SBATCH_REFUSED},
        {"Requested partition configuration not available now", GW_SBATCH_REFUSED},
        {"Invalid node name specified", GW_SBATCH_REFUSED},
        {"Task distribution specification invalid", GW_SBATCH_REFUSED},
        {"Task count specification invalid", GW_SBATCH_REFUSED},
        {"Invalid feature specification", GW_SBATCH_REFUSED},
        {"Requested operation not supported on this system", GW_SBATCH_REFUSED},
        {"Job dependency problem", GW_SBATCH_REFUSED},
        {"Circular job dependency", GW_SBATCH_REFUSED},
        {"Only batch jobs are accepted or processed", GW_SBATCH_REFUSED},
        {"Requested more tasks than available processors", GW_SBATCH_REFUSED},
        {"Memory required by task is not available", GW_SBATCH_REFUSED},
        {"Invalid account or account/partition combination specified", GW_SBATCH_REFUSED},
        {"Invalid license specification", GW_SBATCH_REFUSED},
        {"Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)",
         GW_SBATCH_REFUSED},
        {"Requested time limit is invalid (missing or exceeds some limit)", GW_SBATCH_REFUSED},
        {"Access denied to requested reservation", GW_SBATCH_REFUSED},
        {"Requested reservation is invalid", GW_SBATCH_REFUSED},
        {"Invalid time specified", GW_SBATCH_REFUSED},
        {"Requested reservation not usable now", GW_SBATCH_REFUSED},
        {"Invalid wckey specification", GW_SBATCH_REFUSED},
        {"Invalid qos specification", GW_SBATCH_REFUSED},
        {"CPU count specification invalid", GW_SBATCH_REFUSED},
        {"Required partition not available (inactive or drain)", GW_SBATCH_REFUSED},
        {"Invalid generic resource (gres) specification", GW_SBATCH_REFUSED},
        {"Duplicate generic resource (gres) specification", GW_SBATCH_REFUSED},
        {"Invalid job array specification", GW_SBATCH_REFUSED},
        {"Burst Buffer request invalid", GW_SBATCH_REFUSED},
        {"Burst Buffer permission denied", GW_SBATCH_REFUSED},
        {"Burst Buffer resource limit exceeded", GW_SBATCH_REFUSED},
        {"Invalid mcs_label specified", GW_SBATCH_REFUSED},
        {"Invalid group id", GW_SBATCH_REFUSED},
        {"Job --batch option is invalid or not a subset of --constraints", GW_SBATCH_REFUSED},
        {"Invalid Trackable RESource (TRES) specification", GW_SBATCH_REFUSED},
        {"Invalid GRES specification (with and without type identification)", GW_SBATCH_REFUSED},
        {"Requested GRES option unsupported by configured SelectType plugin", GW_SBATCH_REFUSED},
        {"Invalid --nice value", GW_SBATCH_REFUSED},
        {"Invalid time-min specification (exceeds job's time or other limits)", GW_SBATCH_REFUSED},
        {"Cannot request more threads per core than the job allocation", GW_SBATCH_REFUSED},
        {"Invalid preferred feature specification", GW_SBATCH_REFUSED},
};

/* ---- words ----------------------------------------------------------------------------------- */

/* Its lines as one, without what stands before each of them. */
static void copy_words(const char *text, char *out, size_t size)
{
        static const char *const heads[] = {"sbatch: error: ", "sbatch: fatal: ", "sbatch: "};
        struct gw_buf words = GW_BUF_INIT(GW_AS_USER_WORDS);
        while (*text) {
                size_t len = strcspn(text, "\n");
                const char *line = text;
                for (size_t i = 0; i < GW_COUNT(heads); i++)
                        if (strncmp(line, heads[i], strlen(heads[i])) == 0) {
                                line += strlen(heads[i]);
                                break;
                        }
                if (line < text + len) {
                        gw_buf_str(&words, words.len > 0 ? "; " : "");
                        gw_buf_add(&words, line, (size_t)(text + len - line));
                }
                text += len + (text[len] == '\n');
        }
        gw_str_copy(out, size, words.data ? words.data : "");
        gw_buf_done(&words);
}

static const char *text_of(const json_t *answer, const char *name)
{
        const char *text = json_string_value(json_object_get(answer, name));
        return text ? text : "";
}

/* ---- a number -------------------------------------------------------------------------------- */

/* "87" or "87;cluster", as a whole line. */
static bool read_number(const char *line, size_t len, struct gw_slurm_sbatch_answer *ret)
{
        char text[96];
        int64_t number;
        if (len >= sizeof text)
                return false;
        memcpy(text, line, len);
        text[len] = '\0';
        char *cluster = strchr(text, ';');
        if (cluster)
                *cluster++ = '\0';
        if (gw_str_int64(text, 1, UINT32_MAX, &number))
                return false;
        ret->number = (uint32_t)number;
        gw_str_copy(ret->cluster, sizeof ret->cluster, cluster ? cluster : "");
        return true;
}

/* A plugin may print lines of its own. Of what was cut off the last line may be half a number. */
static bool find_number(const char *text, bool cut, struct gw_slurm_sbatch_answer *ret)
{
        while (*text) {
                size_t len = strcspn(text, "\n");
                if ((text[len] == '\n' || !cut) && read_number(text, len, ret))
                        return true;
                text += len + (text[len] == '\n');
        }
        return false;
}

/* ---- the verdict ----------------------------------------------------------------------------- */

static enum gw_slurm_sbatch_verdict verdict_of(const char *text, bool *ret_known)
{
        size_t len = strcspn(text, "\n");
        for (size_t i = 0; i < GW_COUNT(texts); i++)
                if (strlen(texts[i].text) == len && memcmp(texts[i].text, text, len) == 0)
                        return texts[i].verdict;
        *ret_known = false;
        return GW_SBATCH_UNKNOWN;
}

/* Whether it ended because of what the site has to mend: its settings, or a plugin. */
static bool is_the_sites(const char *errors)
{
        static const char fatal[] = "sbatch: fatal: ";
        static const char *const words[] = {"configuration", "plugin", "slurm.conf"};
        const char *line = strstr(errors, fatal);
        for (size_t i = 0; line && i < GW_COUNT(words); i++)
                if (strstr(line, words[i]))
                        return true;
        return false;
}

/* It sends one request, and says so when that fails; before it, it only reads. */
static enum gw_slurm_sbatch_verdict verdict_of_failure(const char *errors, bool *ret_known)
{
        const char *line = strstr(errors, failed);
        if (line)
                return verdict_of(line + strlen(failed), ret_known);
        return is_the_sites(errors) ? GW_SBATCH_NOT_SENT : GW_SBATCH_REFUSED;
}

static void read_end(const json_t *answer, struct gw_slurm_sbatch_answer *ret)
{
        int status = (int)json_integer_value(json_object_get(answer, "status"));
        const char *errors = text_of(answer, "stderr");
        bool known = true;
        copy_words(errors, ret->words, sizeof ret->words);
        if (find_number(text_of(answer, "stdout"), false, ret))
                ret->verdict = GW_SBATCH_DONE; /* whatever came then */
        else if (!WIFEXITED(status))
                ret->verdict = GW_SBATCH_UNKNOWN;
        else if (WEXITSTATUS(status) == USAGE_STATUS)
                ret->verdict = GW_SBATCH_REFUSED;
        else if (WEXITSTATUS(status) != 0)
                ret->verdict = verdict_of_failure(errors, &known);
        else
                ret->verdict = GW_SBATCH_REFUSED; /* --test-only, --help: no job was meant */
        ret->may_be_refusal = !known;
        if (ret->words[0] == '\0' && ret->verdict == GW_SBATCH_REFUSED)
                gw_str_copy(ret->words, sizeof ret->words, "sbatch made no job of it");
}

/* It would have asked again. Where it says that no jobs are made for now, the number of them is not
 * the cause. */
static void read_full(const json_t *answer, const char *text, struct gw_slurm_sbatch_answer *ret)
{
        const char *errors = text_of(answer, "stderr");
        copy_words(errors, ret->words, sizeof ret->words);
        if (ret->words[0] == '\0')
                gw_str_copy(ret->words, sizeof ret->words, text ? text : "");
        if (strstr(errors, "temporarily disabled"))
                ret->verdict = GW_SBATCH_NOT_SENT;
}

/* It was killed; but what slurmctld had told it by then it may have said, or why it tried again. */
static void read_late(const json_t *answer, const char *text, struct gw_slurm_sbatch_answer *ret)
{
        copy_words(text_of(answer, "stderr"), ret->words, sizeof ret->words);
        if (find_number(text_of(answer, "stdout"), true, ret))
                ret->verdict = GW_SBATCH_DONE;
        else if (ret->words[0] == '\0')
                gw_str_copy(ret->words, sizeof ret->words, text ? text : "");
}

void gw_slurm_sbatch_read(enum gw_as_user_outcome outcome, const json_t *answer, const char *text,
                          struct gw_slurm_sbatch_answer *ret)
{
        static const enum gw_slurm_sbatch_verdict verdicts[] = {
                [GW_AS_USER_DONE] = GW_SBATCH_UNKNOWN,
                [GW_AS_USER_INVALID] = GW_SBATCH_REFUSED,
                [GW_AS_USER_REFUSED] = GW_SBATCH_REFUSED,
                [GW_AS_USER_ABSENT] = GW_SBATCH_REFUSED,
                [GW_AS_USER_UNSEEN] = GW_SBATCH_REFUSED,
                [GW_AS_USER_FORBIDDEN] = GW_SBATCH_REFUSED,
                [GW_AS_USER_WRONG] = GW_SBATCH_REFUSED,
                [GW_AS_USER_BUSY] = GW_SBATCH_NOT_SENT,
                [GW_AS_USER_FULL] = GW_SBATCH_FULL,
                [GW_AS_USER_LATE] = GW_SBATCH_UNKNOWN,
                [GW_AS_USER_FAILED] = GW_SBATCH_NOT_SENT,
        };
        *ret = (struct gw_slurm_sbatch_answer){.verdict = verdicts[outcome]};
        if (outcome == GW_AS_USER_DONE && json_is_integer(json_object_get(answer, "status")))
                read_end(answer, ret);
        else if (outcome == GW_AS_USER_FULL)
                read_full(answer, text, ret);
        else if (outcome == GW_AS_USER_LATE)
                read_late(answer, text, ret);
        else
                gw_str_copy(ret->words, sizeof ret->words, text ? text : "");
}
