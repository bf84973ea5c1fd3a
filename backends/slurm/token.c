/* HS256, as slurmctld checks it. */
#include "backends/slurm/token.h"

#include <inttypes.h>
#include <limits.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
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

static void sign(const void *key, size_t key_len, const char *text, uint8_t ret[HASH_BYTES])
{
        unsigned len = HASH_BYTES;
        if (key_len > INT_MAX || !HMAC(EVP_sha256(), key, (int)key_len, (const unsigned char *)text,
                                       strlen(text), ret, &len))
                abort(); /* it fails only when OpenSSL is broken */
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
        gw_str_base64url((const uint8_t *)HEADER, sizeof HEADER - 1, out);
        strcat(out, ".");
        gw_str_base64url((const uint8_t *)claims, (size_t)len, out + strlen(out));
        sign(key, key_len, out, hash);
        strcat(out, ".");
        gw_str_base64url(hash, sizeof hash, out + strlen(out));
        return 0;
}
