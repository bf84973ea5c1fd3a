/*
 * Counters, gauges and histograms, written as OpenMetrics or Prometheus text.
 *
 * A metric family is declared once, at start, with its closed set of label values, so
 * cardinality is bounded by construction: there is no way to make a series from input.
 * Updates are relaxed atomics and never fail; families are only added before threads
 * start. Histograms are of seconds with fixed bounds, or of sizes with powers of two.
 */
#ifndef GW_BASE_METRICS_H
#define GW_BASE_METRICS_H

#include <stddef.h>
#include <stdint.h>

#include "server/base/buf.h"

struct gw_metrics;       /* all families of the process; owned by app.c */
struct gw_metric_family; /* owned by its gw_metrics */

enum gw_metric_type { GW_METRIC_COUNTER, GW_METRIC_GAUGE, GW_METRIC_SECONDS, GW_METRIC_SIZES };

struct gw_metrics *gw_metrics_new(void);
void gw_metrics_free(struct gw_metrics *m);

/*
 * Adds a family. name without the unit or _total suffix ("jobgate_http_requests");
 * label: its label's name or NULL for a family of one series; values: the label's
 * values, NULL-ended, borrowed for ever; a second label may be given likewise. Returns
 * NULL only without memory.
 */
struct gw_metric_family *gw_metrics_add(struct gw_metrics *m, enum gw_metric_type type,
                                        const char *name, const char *help, const char *label,
                                        const char *const *values, const char *label2,
                                        const char *const *values2);

/* Index i, j: the position in values and values2 (0 where there is no label). family may be
 * NULL: does nothing. */
void gw_metric_add(struct gw_metric_family *f, size_t i, size_t j, int64_t by);
void gw_metric_set(struct gw_metric_family *f, size_t i, size_t j, int64_t to);
/* Seconds families take microseconds, sizes families take counts. */
void gw_metric_observe(struct gw_metric_family *f, size_t i, size_t j, int64_t value);

#define GW_METRICS_OPENMETRICS "application/openmetrics-text; version=1.0.0; charset=utf-8"
#define GW_METRICS_TEXT "text/plain; version=0.0.4; charset=utf-8"

/* OpenMetrics 1.0 text of everything, ending in "# EOF": for scrapers that accept
 * application/openmetrics-text. */
void gw_metrics_write(struct gw_metrics *m, struct gw_buf *out);

/* The same in the older text format 0.0.4, for everyone else. It names a counter's family
 * with its _total, which OpenMetrics forbids and `promtool check metrics` wants. */
void gw_metrics_write_text(struct gw_metrics *m, struct gw_buf *out);

#endif
