/* Users that are looked up, with a directory of the test's own. */
#include "backends/slurm/users.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "server/base/clock.h"

#define MINUTE (60 * GW_SECOND)

static int asked;
static uid_t uid; /* of everybody but "nobody"; 0: the directory is away */

static int look_up(const char *name, struct gw_account *ret, struct gw_error *err)
{
        asked++;
        if (uid == 0)
                return gw_fail(err, GW_ERR_UNAVAILABLE, "away");
        if (strcmp(name, "nobody") == 0)
                return gw_fail(err, GW_ERR_INVALID, "there is none");
        *ret = (struct gw_account){.name = strdup(name),
                                   .home = strdup("/home"),
                                   .shell = strdup("/bin/sh"),
                                   .uid = uid,
                                   .gid = 100};
        return 0;
}

/* The uid, or minus the error. */
static int find(struct gw_slurm_users *u, const char *name, int64_t now_us)
{
        struct gw_account a = {0};
        struct gw_error err = {0};
        if (gw_slurm_users_find(u, name, now_us, &a, &err))
                return -(int)err.code;
        assert_string_equal(a.name, name);
        assert_string_equal(a.home, "/home");
        assert_int_equal(a.group_count, 0);
        int found = (int)a.uid;
        gw_account_done(&a);
        return found;
}

static struct gw_slurm_users *users(void)
{
        struct gw_slurm_users *u = gw_slurm_users_new(look_up);
        assert_non_null(u);
        asked = 0;
        uid = 1001;
        return u;
}

static void each_is_looked_up_once_in_a_while(void **state)
{
        (void)state;
        struct gw_slurm_users *u = users();
        assert_int_equal(find(u, "ada", 1), 1001);
        assert_int_equal(find(u, "ada", MINUTE), 1001);
        assert_int_equal(asked, 1);
        uid = 1002;
        assert_int_equal(find(u, "bob", MINUTE), 1002);
        assert_int_equal(find(u, "ada", 9 * MINUTE), 1001);
        assert_int_equal(find(u, "ada", 11 * MINUTE), 1002);
        assert_int_equal(asked, 3);
        gw_slurm_users_free(u);
}

static void who_is_not_there_is_soon_looked_for_again(void **state)
{
        (void)state;
        struct gw_slurm_users *u = users();
        assert_int_equal(find(u, "nobody", 1), -(int)GW_ERR_INVALID);
        assert_int_equal(find(u, "nobody", 2), -(int)GW_ERR_INVALID);
        assert_int_equal(asked, 1);
        find(u, "nobody", MINUTE);
        assert_int_equal(asked, 2);
        gw_slurm_users_free(u);
}

static void who_was_known_is_while_the_directory_is_away(void **state)
{
        (void)state;
        struct gw_slurm_users *u = users();
        find(u, "ada", 1);
        uid = 0;
        assert_int_equal(find(u, "ada", 11 * MINUTE), 1001);
        assert_int_equal(find(u, "ada", 11 * MINUTE + 1), 1001);
        assert_int_equal(asked, 2);
        assert_int_equal(find(u, "bob", 11 * MINUTE), -(int)GW_ERR_UNAVAILABLE);
        uid = 1003;
        assert_int_equal(find(u, "bob", 11 * MINUTE), 1003);
        assert_int_equal(find(u, "ada", 13 * MINUTE), 1003);
        gw_slurm_users_free(u);
}

static void there_is_room_for_all(void **state)
{
        (void)state;
        struct gw_slurm_users *u = users();
        for (int i = 0; i < 5000; i++) {
                char name[16];
                snprintf(name, sizeof name, "u%d", i);
                assert_int_equal(find(u, name, 1), 1001);
        }
        gw_slurm_users_free(u);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_is_looked_up_once_in_a_while),
                cmocka_unit_test(who_is_not_there_is_soon_looked_for_again),
                cmocka_unit_test(who_was_known_is_while_the_directory_is_away),
                cmocka_unit_test(there_is_room_for_all),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
