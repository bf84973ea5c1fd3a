/* YAML to JSON, for settings, kubeconfigs and manifests. The only includer of libfyaml. */
#ifndef GW_BASE_YAML_H
#define GW_BASE_YAML_H

#include <jansson.h>

#include "server/base/error.h"

/*
 * Parses one document of `len` bytes; an empty one is null. Anchors and merge keys are
 * resolved, duplicate keys and syntax errors refused with line and column; plain scalars
 * follow the YAML 1.2 core schema (null, ~, true, false, integers, floats), quoted ones are
 * strings. What JSON cannot hold is refused: keys that are no scalars, NUL, NaN, infinity,
 * numbers out of range, every tag but !!str, !!map and !!seq. Nesting is limited to
 * GW_MAX_JSON_DEPTH, size to the GW_MAX_YAML_ limits. `name` goes in front of
 * messages: "name:line:column: what". The caller owns the result; NULL on error (GW_ERR_INVALID, or
 * GW_ERR_NOMEM). Any thread.
 */
json_t *gw_yaml_parse(const char *name, const char *text, size_t len, struct gw_error *err);

/* The same of a stream of documents with "---" between them, as an array; the limits are those of
 * all together, and there are at most `most`. */
json_t *gw_yaml_parse_all(const char *name, const char *text, size_t len, size_t most,
                          struct gw_error *err);

#endif
