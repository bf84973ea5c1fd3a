/*
 * A backend's section of the settings, read by a table: a row has what the reference says of the
 * setting, how it is read, and where it goes. At open only; pure.
 */
#ifndef GW_BACKENDS_SETTINGS_H
#define GW_BACKENDS_SETTINGS_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "backends/backend.h"
#include "server/base/error.h"

struct gw_setting {
        struct gw_backend_setting about;
        /* Reads a value into its place. Returns 0, or -1 with words that follow the name. */
        int (*read)(const struct gw_setting *row, const json_t *value, void *place,
                    struct gw_error *err);
        size_t offset;       /* of the place in the settings' struct */
        int64_t least, most; /* of counts and seconds */
};

/* Readers. Texts are copies that belong to the settings (char *); numbers are int64_t. */
int gw_setting_text(const struct gw_setting *row, const json_t *value, void *place,
                    struct gw_error *err); /* not empty */
int gw_setting_path(const struct gw_setting *row, const json_t *value, void *place,
                    struct gw_error *err); /* absolute */
int gw_setting_names(const struct gw_setting *row, const json_t *value, void *place,
                     struct gw_error *err); /* json_t *: an array of texts, not empty */
int gw_setting_cpus(const struct gw_setting *row, const json_t *value, void *place,
                    struct gw_error *err); /* thousandths */
int gw_setting_size(const struct gw_setting *row, const json_t *value, void *place,
                    struct gw_error *err); /* bytes */
int gw_setting_count(const struct gw_setting *row, const json_t *value, void *place,
                     struct gw_error *err);
int gw_setting_seconds(const struct gw_setting *row, const json_t *value, void *place,
                       struct gw_error *err);

int gw_setting_flag(const struct gw_setting *row, const json_t *value, void *place,
                    struct gw_error *err); /* 0 or 1 */
/* For readers of json_t *: the place has a copy from then on. Returns 0, or -1 without memory. */
int gw_setting_keep(const json_t *value, void *place, struct gw_error *err);

/* Reads all of a section into *settings. A name that is not in the table is an error that suggests
 * the nearest. Returns 0, or -1 with GW_ERR_INVALID or GW_ERR_NOMEM, the message beginning with
 * the setting's name: what was read until then is there. */
int gw_settings_read(const struct gw_setting *table, size_t count, const json_t *section,
                     void *settings, struct gw_error *err);

/* The path of a program beside the one that runs; NULL without memory. The caller's. */
char *gw_settings_beside(const char *program);

#endif
