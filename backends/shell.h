/* Pieces of shell scripts. Whatever a text holds, it stays a text. Pure; any thread. */
#ifndef GW_BACKENDS_SHELL_H
#define GW_BACKENDS_SHELL_H

#include <jansson.h>

#include "server/base/buf.h"

/* One word in single quotes. */
void gw_shell_word(struct gw_buf *out, const char *word);
/* A spec's `setup`, or NULL: each line is run by the shell itself, and one that fails ends it. */
void gw_shell_setup(struct gw_buf *out, const json_t *setup);
/* Each of an array of texts as a word, with a blank in front. */
void gw_shell_words(struct gw_buf *out, const json_t *words);
/* Becomes the command: an array of texts. */
void gw_shell_exec(struct gw_buf *out, const json_t *command);
/* A comment is one line, whatever the text. */
void gw_shell_comment(struct gw_buf *out, const char *name, const char *text);

#endif
