/* Words of a site. Any thread. */
#include "backends/slurm/site.h"

#include <ctype.h>
#include <string.h>

#define MAX_FEATURE 63

bool gw_slurm_is_feature(const char *text)
{
        size_t len =
                strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.:-");
        return isalnum((unsigned char)text[0]) && text[len] == '\0' && len <= MAX_FEATURE;
}
