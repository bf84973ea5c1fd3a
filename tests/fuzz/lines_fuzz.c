/* The first byte says how long the parts are in which the rest arrives. However it is cut, the
 * same lines come out, none of them with a line end in it or over the limit. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "server/base/lines.h"

#define MAX 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
        uint64_t last, sum;
};

static bool see(void *arg, const struct gw_line *line)
{
        struct seen *seen = arg;
        assert(line->no > seen->last);
        seen->last = line->no;
        seen->sum = seen->sum * 31 + line->no + (line->text == NULL);
        if (!line->text)
                return true;
        assert(line->len <= MAX && line->text[line->len] == '\0');
        assert(!memchr(line->text, '\n', line->len));
        for (size_t i = 0; i < line->len; i++)
                seen->sum = seen->sum * 31 + (unsigned char)line->text[i];
        return true;
}

static struct seen cut(const char *data, size_t size, size_t part)
{
        struct seen seen = {0, 0};
        struct gw_lines lines;
        gw_lines_init(&lines, MAX, see, &seen);
        for (size_t at = 0; at < size; at += part)
                gw_lines_add(&lines, data + at, part < size - at ? part : size - at);
        gw_lines_end(&lines);
        gw_lines_done(&lines);
        return seen;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        if (size < 2)
                return 0;
        struct seen whole = cut((const char *)data + 1, size - 1, size);
        struct seen parts = cut((const char *)data + 1, size - 1, (size_t)data[0] + 1);
        assert(whole.last == parts.last && whole.sum == parts.sum);
        return 0;
}
