/* HS256, as slurmctld checks it. */
#include "backends/slurm/token.h"

#include <inttypes.h>
#include <limits.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>

#include "server/base/str.h"

#define HEADER "{\"alg\":\"HS256\",\"typ\":\"JWT\"}"
#define MAX_USER 64
#define MAX_CLAIMS 192
#define HASH_BYTES 32

/* Letters that need no escape in JSON, and no others: useradd's, and a dot. */
static int check_user(const char *user, struct gw_error *err)
{
        static const char letters[] =
                "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";
        size_t len = strlen(user);
        if (len == 0 || len > MAX_USER || strspn(user, letters) != len)
                return gw_fail(err, GW_ERR_INVALID, "that is not the name of a Unix user");
        return 0;
}

static int sign(const void *key, size_t key_len, const char *text, size_t text_len,
                uint8_t ret[HASH_BYTES], struct gw_error *err)
{
        unsigned len = HASH_BYTES;
        if (key_len > INT_MAX || !HMAC(EVP_sha256(), key, (int)key_len, (const unsigned char *)text,
                                       text_len, ret, &len))
                return gw_fail(err, GW_ERR_INTERNAL, "a token cannot be signed");
        return 0;
}

/* Appends a part; the last of them has no dot behind it. Returns the new length. */
static size_t add_part(char *out, size_t at, const void *part, size_t len)
{
        if (at > 0)
                out[at++] = '.';
        return at + gw_str_base64url(part, len, out + at);
}

int gw_slurm_token(const void *key, size_t key_len, const char *user, int64_t now_s, int64_t life_s,
                   char out[GW_SLURM_TOKEN_TEXT], struct gw_error *err)
{
        char claims[MAX_CLAIMS];
        uint8_t hash[HASH_BYTES];
        if (check_user(user, err))
                return -1;
        int len = snprintf(claims, sizeof claims,
                           "{\"exp\":%" PRId64 ",\"iat\":%" PRId64 ",\"sun\":\"%s\"}",
                           now_s + life_s, now_s, user);
        size_t at = add_part(out, 0, HEADER, sizeof HEADER - 1);
        at = add_part(out, at, claims, (size_t)len);
        if (sign(key, key_len, out, at, hash, err))
                return -1;
        add_part(out, at, hash, sizeof hash);
        return 0;
}
