/* API tokens: making one, its hash, and finding it in an Authorization field. Pure but for the
 * kernel's randomness. */
#include "server/auth/auth.h"

#include <ctype.h>
#include <errno.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

#include "server/base/cleanup.h"
#include "server/base/str.h"

#define PREFIX "jg_"
#define RANDOM_BYTES 32
#define LONGEST_HEADER 512

void gw_token_new(char out[GW_TOKEN_TEXT])
{
        uint8_t random[RANDOM_BYTES];
        size_t got = 0;
        while (got < sizeof random) {
                ssize_t n = getrandom(random + got, sizeof random - got, 0);
                if (n < 0 && errno != EINTR)
                        abort(); /* a token without randomness must not exist */
                got += n > 0 ? (size_t)n : 0;
        }
        memcpy(out, PREFIX, sizeof PREFIX);
        gw_str_base64url(random, sizeof random, out + sizeof PREFIX - 1);
        explicit_bzero(random, sizeof random);
}

/* EVP_sha256() only names an implementation, and finding it takes longer than the digest of a
 * token: it is found once. */
static pthread_once_t sha256_once = PTHREAD_ONCE_INIT;
static EVP_MD *sha256;

static void find_sha256(void)
{
        sha256 = EVP_MD_fetch(NULL, "SHA2-256", NULL);
}

void gw_token_hash(const char *token, uint8_t ret[32])
{
        unsigned len = 32;
        pthread_once(&sha256_once, find_sha256);
        if (!sha256 || EVP_Digest(token, strlen(token), ret, &len, sha256, NULL) != 1)
                abort(); /* SHA-256 of memory fails only when OpenSSL is broken */
}

static bool token_shaped(const char *s, size_t len)
{
        if (len != GW_TOKEN_TEXT - 1 || memcmp(s, PREFIX, sizeof PREFIX - 1) != 0)
                return false;
        for (size_t i = sizeof PREFIX - 1; i < len; i++)
                if (!isalnum((unsigned char)s[i]) && s[i] != '-' && s[i] != '_')
                        return false;
        return true;
}

static int take_token(const char *s, size_t len, char out[GW_TOKEN_TEXT], struct gw_error *err)
{
        if (!token_shaped(s, len))
                return gw_fail(err, GW_ERR_UNAUTHENTICATED,
                               "that is not an API token; one begins with " PREFIX
                               " and has %d characters",
                               GW_TOKEN_TEXT - 1);
        memcpy(out, s, len);
        out[len] = '\0';
        return 0;
}

static int from_basic(const char *value, char out[GW_TOKEN_TEXT], struct gw_error *err)
{
        char pair[LONGEST_HEADER];
        ptrdiff_t len = gw_str_base64_decode(value, strlen(value), (uint8_t *)pair, sizeof pair);
        const char *colon = len > 0 ? memchr(pair, ':', (size_t)len) : NULL;
        if (!colon)
                return gw_fail(err, GW_ERR_UNAUTHENTICATED,
                               "the Basic credentials are not base64 of user:token");
        const char *password = colon + 1;
        int rc = take_token(password, (size_t)(pair + len - password), out, err);
        explicit_bzero(pair, sizeof pair);
        return rc;
}

static int from_bearer(const char *value, char out[GW_TOKEN_TEXT], struct gw_error *err)
{
        return take_token(value, strlen(value), out, err);
}

static const struct {
        const char *scheme;
        int (*take)(const char *value, char out[GW_TOKEN_TEXT], struct gw_error *err);
} schemes[] = {{"Bearer", from_bearer}, {"Basic", from_basic}};

int gw_token_from_header(const char *authorization, char out[GW_TOKEN_TEXT], struct gw_error *err)
{
        if (!authorization)
                return gw_fail(err, GW_ERR_UNAUTHENTICATED,
                               "a token is needed: send \"Authorization: Bearer jg_…\", or the "
                               "token as the password of Basic");
        for (size_t i = 0; i < GW_COUNT(schemes); i++) {
                size_t n = strlen(schemes[i].scheme);
                if (strncasecmp(authorization, schemes[i].scheme, n) != 0 ||
                    authorization[n] != ' ')
                        continue;
                const char *value = authorization + n;
                value += strspn(value, " ");
                return schemes[i].take(value, out, err);
        }
        return gw_fail(err, GW_ERR_UNAUTHENTICATED,
                       "the Authorization scheme is not known; use Bearer or Basic");
}
