/* Quoting for /bin/sh. */
#include "backends/shell.h"

#include <string.h>

void gw_shell_word(struct gw_buf *out, const char *word)
{
        gw_buf_char(out, '\'');
        for (const char *quote; (quote = strchr(word, '\'')); word = quote + 1) {
                gw_buf_add(out, word, (size_t)(quote - word));
                gw_buf_str(out, "'\\''");
        }
        gw_buf_str(out, word);
        gw_buf_char(out, '\'');
}

void gw_shell_setup(struct gw_buf *out, const json_t *setup)
{
        size_t i;
        const json_t *item;
        json_array_foreach(setup, i, item)
        {
                gw_buf_str(out, "eval ");
                gw_shell_word(out, json_string_value(item));
                gw_buf_str(out, " || exit\n");
        }
}

void gw_shell_words(struct gw_buf *out, const json_t *words)
{
        size_t i;
        const json_t *item;
        json_array_foreach(words, i, item)
        {
                gw_buf_char(out, ' ');
                gw_shell_word(out, json_string_value(item));
        }
}

void gw_shell_exec(struct gw_buf *out, const json_t *command)
{
        gw_buf_str(out, "exec");
        gw_shell_words(out, command);
        gw_buf_char(out, '\n');
}

void gw_shell_comment(struct gw_buf *out, const char *name, const char *text)
{
        gw_buf_printf(out, "# %s: ", name);
        for (; *text; text++)
                gw_buf_char(out, *text == '\n' || *text == '\r' ? ' ' : *text);
        gw_buf_char(out, '\n');
}
