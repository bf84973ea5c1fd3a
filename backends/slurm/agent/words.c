/* Standard error is a file in memory while libslurm is asked. The agent's one thread. */
#include "backends/slurm/agent/words.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "server/base/buf.h"
#include "server/base/cleanup.h"
#include "server/base/str.h"

#define MARK ": error: " /* libslurm's lines begin with the program's name and the level */

int gw_agent_words_open(struct gw_agent_words *w, struct gw_error *err)
{
        w->file = memfd_create("words", MFD_CLOEXEC);
        w->out = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
        if (w->file >= 0 && w->out >= 0)
                return 0;
        gw_fail(err, GW_ERR_IO, "standard error: %s", strerrordesc_np(errno));
        gw_agent_words_close(w);
        return -1;
}

void gw_agent_words_close(struct gw_agent_words *w)
{
        gw_cleanup_close(&w->file);
        gw_cleanup_close(&w->out);
}

void gw_agent_words_begin(struct gw_agent_words *w)
{
        if (ftruncate(w->file, 0) == 0 && lseek(w->file, 0, SEEK_SET) == 0)
                dup2(w->file, STDERR_FILENO);
}

static void add_line(struct gw_buf *words, const char *line)
{
        const char *text = strstr(line, MARK);
        if (!text)
                return;
        if (words->len > 0)
                gw_buf_str(words, "; ");
        gw_buf_str(words, text + strlen(MARK));
}

void gw_agent_words_end(struct gw_agent_words *w, char out[GW_AGENT_WORDS])
{
        char said[GW_AGENT_WORDS];
        dup2(w->out, STDERR_FILENO);
        ssize_t len = pread(w->file, said, sizeof said - 1, 0);
        said[len > 0 ? len : 0] = '\0';
        gw_str_clean(said);

        /* A part of a line is never longer than all of them. */
        struct gw_buf words = GW_BUF_INIT(GW_AGENT_WORDS);
        char *rest = said, *line;
        while ((line = strsep(&rest, "\n")))
                add_line(&words, line);
        gw_str_copy(out, GW_AGENT_WORDS, words.data && gw_buf_ok(&words) ? words.data : "");
        gw_buf_done(&words);
}
