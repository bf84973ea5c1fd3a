/*
 * Metric families and their text. Added by one thread at start, updated by any thread
 * with relaxed atomics, written by any thread.
 *
 * Invariant: a histogram's count is the sum of its buckets as read, so that one answer
 * never contradicts itself; sums may run ahead by the observations of that moment.
 */
#include "server/base/metrics.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/cleanup.h"
#include "server/base/clock.h"

struct gw_metric_family {
        struct gw_metric_family *next;
        enum gw_metric_type type;
        const char *name;
        const char *help;
        const char *labels[2]; /* NULL where there is none */
        const char *const *values[2];
        size_t counts[2]; /* of values; 1 where there is no label */
        size_t width;     /* cells of one series */
        atomic_int_least64_t cells[];
};

struct gw_metrics {
        struct gw_metric_family *first;
        struct gw_metric_family **last;
};

enum text_format { OPENMETRICS, PROMETHEUS };

/* Upper bounds of the seconds histograms. */
static const struct {
        int64_t us;
        const char *text;
} seconds_bounds[] = {
        {100, "0.0001"},    {250, "0.00025"},   {500, "0.0005"},      {1000, "0.001"},
        {2500, "0.0025"},   {5000, "0.005"},    {10000, "0.01"},      {25000, "0.025"},
        {50000, "0.05"},    {100000, "0.1"},    {250000, "0.25"},     {500000, "0.5"},
        {1000000, "1.0"},   {2500000, "2.5"},   {5000000, "5.0"},     {10000000, "10.0"},
        {30000000, "30.0"}, {60000000, "60.0"}, {300000000, "300.0"},
};

#define SIZE_BOUNDS 21 /* 1, 2, 4 … 2^20 */

static size_t bound_count(enum gw_metric_type type)
{
        switch (type) {
        case GW_METRIC_SECONDS:
                return GW_COUNT(seconds_bounds);
        case GW_METRIC_SIZES:
                return SIZE_BOUNDS;
        default:
                return 0;
        }
}

/* The first bucket whose bound holds the value; the number of bounds when none does. */
static size_t bucket_of(enum gw_metric_type type, int64_t value)
{
        size_t k = 0;
        if (type == GW_METRIC_SECONDS) {
                while (k < GW_COUNT(seconds_bounds) && value > seconds_bounds[k].us)
                        k++;
                return k;
        }
        while (k < SIZE_BOUNDS && value > INT64_C(1) << k)
                k++;
        return k;
}

struct gw_metrics *gw_metrics_new(void)
{
        struct gw_metrics *m = calloc(1, sizeof *m);
        if (m)
                m->last = &m->first;
        return m;
}

void gw_metrics_free(struct gw_metrics *m)
{
        if (!m)
                return;
        struct gw_metric_family *next;
        for (struct gw_metric_family *f = m->first; f; f = next) {
                next = f->next;
                free(f);
        }
        free(m);
}

static size_t count_values(const char *label, const char *const *values)
{
        size_t n = 0;
        while (label && values[n])
                n++;
        return label ? n : 1;
}

struct gw_metric_family *gw_metrics_add(struct gw_metrics *m, enum gw_metric_type type,
                                        const char *name, const char *help, const char *label,
                                        const char *const *values, const char *label2,
                                        const char *const *values2)
{
        size_t bounds = bound_count(type);
        size_t width = bounds ? bounds + 2 : 1; /* +Inf and the sum */
        size_t count = count_values(label, values), count2 = count_values(label2, values2);
        struct gw_metric_family *f =
                calloc(1, sizeof *f + count * count2 * width * sizeof f->cells[0]);
        if (!f)
                return NULL;

        f->type = type;
        f->name = name;
        f->help = help;
        f->labels[0] = label;
        f->labels[1] = label2;
        f->values[0] = values;
        f->values[1] = values2;
        f->counts[0] = count;
        f->counts[1] = count2;
        f->width = width;
        *m->last = f;
        m->last = &f->next;
        return f;
}

static atomic_int_least64_t *series(struct gw_metric_family *f, size_t i, size_t j)
{
        assert(i < f->counts[0] && j < f->counts[1]);
        return f->cells + (i * f->counts[1] + j) * f->width;
}

static void bump(atomic_int_least64_t *cell, int64_t by)
{
        atomic_fetch_add_explicit(cell, by, memory_order_relaxed);
}

static int64_t peek(atomic_int_least64_t *cell)
{
        return atomic_load_explicit(cell, memory_order_relaxed);
}

void gw_metric_add(struct gw_metric_family *f, size_t i, size_t j, int64_t by)
{
        if (!f)
                return;
        assert(f->type == GW_METRIC_GAUGE || (f->type == GW_METRIC_COUNTER && by >= 0));
        bump(series(f, i, j), by);
}

void gw_metric_set(struct gw_metric_family *f, size_t i, size_t j, int64_t to)
{
        if (!f)
                return;
        assert(f->type == GW_METRIC_GAUGE);
        atomic_store_explicit(series(f, i, j), to, memory_order_relaxed);
}

void gw_metric_observe(struct gw_metric_family *f, size_t i, size_t j, int64_t value)
{
        if (!f)
                return;
        assert(bound_count(f->type) > 0);
        if (value < 0)
                value = 0;
        atomic_int_least64_t *cells = series(f, i, j);
        bump(cells + bucket_of(f->type, value), 1);
        bump(cells + f->width - 1, value);
}

static void write_escaped(struct gw_buf *out, const char *s, bool quotes)
{
        for (; *s; s++) {
                if (*s == '\n') {
                        gw_buf_str(out, "\\n");
                        continue;
                }
                if (*s == '\\' || (*s == '"' && quotes))
                        gw_buf_char(out, '\\');
                gw_buf_char(out, *s);
        }
}

static void write_name(struct gw_buf *out, const struct gw_metric_family *f, const char *suffix)
{
        gw_buf_str(out, f->name);
        if (f->type == GW_METRIC_SECONDS)
                gw_buf_str(out, "_seconds");
        gw_buf_str(out, suffix);
}

static void write_metadata(struct gw_buf *out, const struct gw_metric_family *f,
                           enum text_format format)
{
        static const char *const types[] = {
                [GW_METRIC_COUNTER] = "counter",
                [GW_METRIC_GAUGE] = "gauge",
                [GW_METRIC_SECONDS] = "histogram",
                [GW_METRIC_SIZES] = "histogram",
        };
        bool total = f->type == GW_METRIC_COUNTER && format == PROMETHEUS;
        const char *suffix = total ? "_total" : "";

        gw_buf_str(out, "# TYPE ");
        write_name(out, f, suffix);
        gw_buf_printf(out, " %s\n", types[f->type]);
        if (f->type == GW_METRIC_SECONDS && format == OPENMETRICS) {
                gw_buf_str(out, "# UNIT ");
                write_name(out, f, suffix);
                gw_buf_str(out, " seconds\n");
        }
        gw_buf_str(out, "# HELP ");
        write_name(out, f, suffix);
        gw_buf_char(out, ' ');
        write_escaped(out, f->help, format == OPENMETRICS);
        gw_buf_char(out, '\n');
}

/* The label set of series i, j, open for one more. Returns what goes in front of that. */
static const char *open_labels(struct gw_buf *out, const struct gw_metric_family *f, size_t i,
                               size_t j)
{
        const char *before = "{";
        size_t at[2] = {i, j};
        for (size_t l = 0; l < 2; l++) {
                if (!f->labels[l])
                        continue;
                gw_buf_printf(out, "%s%s=\"", before, f->labels[l]);
                write_escaped(out, f->values[l][at[l]], true);
                gw_buf_char(out, '"');
                before = ",";
        }
        return before;
}

static void write_sample(struct gw_buf *out, const struct gw_metric_family *f, const char *suffix,
                         size_t i, size_t j)
{
        write_name(out, f, suffix);
        if (*open_labels(out, f, i, j) == ',')
                gw_buf_char(out, '}');
        gw_buf_char(out, ' ');
}

static void write_bucket(struct gw_buf *out, const struct gw_metric_family *f, size_t i, size_t j,
                         size_t k, int64_t count)
{
        write_name(out, f, "_bucket");
        gw_buf_str(out, open_labels(out, f, i, j));
        if (k == bound_count(f->type))
                gw_buf_str(out, "le=\"+Inf\"} ");
        else if (f->type == GW_METRIC_SECONDS)
                gw_buf_printf(out, "le=\"%s\"} ", seconds_bounds[k].text);
        else
                gw_buf_printf(out, "le=\"%d.0\"} ", 1 << k);
        gw_buf_int(out, count);
        gw_buf_char(out, '\n');
}

static void write_histogram(struct gw_buf *out, struct gw_metric_family *f, size_t i, size_t j)
{
        atomic_int_least64_t *cells = series(f, i, j);
        int64_t count = 0;
        for (size_t k = 0; k <= bound_count(f->type); k++) {
                count += peek(cells + k);
                write_bucket(out, f, i, j, k, count);
        }

        int64_t sum = peek(cells + f->width - 1);
        write_sample(out, f, "_sum", i, j);
        if (f->type == GW_METRIC_SECONDS)
                gw_buf_printf(out, "%lld.%06lld\n", (long long)(sum / GW_SECOND),
                              (long long)(sum % GW_SECOND));
        else
                gw_buf_printf(out, "%lld\n", (long long)sum);
        write_sample(out, f, "_count", i, j);
        gw_buf_printf(out, "%lld\n", (long long)count);
}

static void write_series(struct gw_buf *out, struct gw_metric_family *f, size_t i, size_t j)
{
        if (bound_count(f->type) > 0) {
                write_histogram(out, f, i, j);
                return;
        }
        write_sample(out, f, f->type == GW_METRIC_COUNTER ? "_total" : "", i, j);
        gw_buf_int(out, peek(series(f, i, j)));
        gw_buf_char(out, '\n');
}

static void write_all(struct gw_metrics *m, struct gw_buf *out, enum text_format format)
{
        for (struct gw_metric_family *f = m->first; f; f = f->next) {
                write_metadata(out, f, format);
                for (size_t i = 0; i < f->counts[0]; i++)
                        for (size_t j = 0; j < f->counts[1]; j++)
                                write_series(out, f, i, j);
        }
}

void gw_metrics_write(struct gw_metrics *m, struct gw_buf *out)
{
        write_all(m, out, OPENMETRICS);
        gw_buf_str(out, "# EOF\n");
}

void gw_metrics_write_text(struct gw_metrics *m, struct gw_buf *out)
{
        write_all(m, out, PROMETHEUS);
}
