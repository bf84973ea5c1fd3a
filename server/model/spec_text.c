/* The writer of stored specs. Any thread; runs on every submit. */
#include "server/model/spec_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A real stays a real when it is read again: "1.0". */
static void write_real(struct gw_buf *out, double v)
{
        char text[40];
        int precision = 15;
        do {
                snprintf(text, sizeof text, "%.*g", precision, v);
        } while (strtod(text, NULL) != v && ++precision <= 17);
        gw_buf_str(out, text);
        if (!strpbrk(text, ".e"))
                gw_buf_str(out, ".0");
}

static void write_object(struct gw_buf *out, const json_t *object)
{
        char open = '{';
        void *it = json_object_iter((json_t *)object);
        if (!it)
                gw_buf_char(out, open);
        for (; it; it = json_object_iter_next((json_t *)object, it)) {
                gw_buf_char(out, open);
                open = ',';
                gw_buf_json_strn(out, json_object_iter_key(it), json_object_iter_key_len(it));
                gw_buf_char(out, ':');
                gw_spec_text(out, json_object_iter_value(it));
        }
        gw_buf_char(out, '}');
}

static void write_array(struct gw_buf *out, const json_t *array)
{
        gw_buf_char(out, '[');
        for (size_t i = 0; i < json_array_size(array); i++) {
                if (i > 0)
                        gw_buf_char(out, ',');
                gw_spec_text(out, json_array_get(array, i));
        }
        gw_buf_char(out, ']');
}

void gw_spec_text(struct gw_buf *out, const json_t *value)
{
        switch (json_typeof(value)) {
        case JSON_OBJECT:
                write_object(out, value);
                break;
        case JSON_ARRAY:
                write_array(out, value);
                break;
        case JSON_STRING:
                gw_buf_json_strn(out, json_string_value(value), json_string_length(value));
                break;
        case JSON_INTEGER:
                gw_buf_int(out, json_integer_value(value));
                break;
        case JSON_REAL:
                write_real(out, json_real_value(value));
                break;
        case JSON_TRUE:
                gw_buf_str(out, "true");
                break;
        case JSON_FALSE:
                gw_buf_str(out, "false");
                break;
        case JSON_NULL:
                gw_buf_str(out, "null");
                break;
        }
}
