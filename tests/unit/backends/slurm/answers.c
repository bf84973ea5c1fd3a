/*
 * What the tests in Python ask about records of real controllers: a record a line on standard
 * input, as the agent says it; a line on standard output with what it means, both JSON. What is no
 * record ends the program.
 */
#include <stdio.h>
#include <stdlib.h>

#include "backends/slurm/state.h"
#include "server/base/buf.h"
#include "server/base/cleanup.h"

static void add_reason(struct gw_buf *out, const char *name, enum gw_reason reason)
{
        gw_buf_printf(out, ", \"%s\": ", name);
        gw_buf_json_str(out, gw_reason_name(reason));
}

static void answer(const struct gw_slurm_meaning *m, struct gw_buf *out)
{
        static const char *const phases[] = {"pending", "running", "ending", "ended"};
        gw_buf_printf(out, "{\"phase\": \"%s\", \"exit_code\": %d, \"signal\": %d",
                      phases[m->phase], m->exit_code, m->signal);
        gw_buf_printf(out, ", \"refused\": %s, \"by_somebody\": %s, \"node_silent\": %s",
                      m->refused ? "true" : "false", m->by_somebody ? "true" : "false",
                      m->node_silent ? "true" : "false");
        add_reason(out, "reason", m->reason);
        add_reason(out, "before", m->before);
        gw_buf_str(out, ", \"words\": ");
        gw_buf_json_str(out, m->words);
        gw_buf_str(out, "}\n");
}

static int answer_line(const char *line, size_t len)
{
        struct gw_slurm_record record;
        struct gw_error err = {0};
        struct gw_buf out = GW_BUF_INIT(64 * 1024);
        json_auto_t *json = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL);
        if (gw_slurm_record_read(json, &record, &err)) {
                fprintf(stderr, "answers: %s\n", err.message);
                return -1;
        }
        struct gw_slurm_meaning meaning = gw_slurm_meaning(&record);
        answer(&meaning, &out);
        if (gw_buf_ok(&out))
                fwrite(out.data, 1, out.len, stdout);
        gw_buf_done(&out);
        return fflush(stdout);
}

int main(void)
{
        char *line = NULL;
        size_t size = 0;
        ssize_t len;
        int rc = 0;
        while (rc == 0 && (len = getline(&line, &size, stdin)) > 0)
                rc = answer_line(line, (size_t)len);
        free(line);
        return rc ? 2 : 0;
}
