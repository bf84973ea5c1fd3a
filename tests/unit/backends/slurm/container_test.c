/* What an image becomes with each runtime. */
#include "backends/slurm/container.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "server/base/cleanup.h"

static struct gw_spec spec_of(const char *image, int gpus)
{
        return (struct gw_spec){.json = image ? json_pack("{s:s}", "image", image) : json_object(),
                                .gpus = gpus};
}

static void check_name(enum gw_slurm_runtime runtime, const char *image, const char *wanted)
{
        const struct gw_slurm_site site = {.runtime = runtime};
        struct gw_spec spec = spec_of(image, 0);
        struct gw_buf out = GW_BUF_INIT(4096);
        struct gw_error err = {0};
        if (gw_slurm_container_image(&site, &spec, runtime, &out, &err))
                fail_msg("%s: %s", image, err.message);
        assert_string_equal(out.data, wanted);
        gw_buf_done(&out);
        gw_spec_done(&spec);
}

static void each_runtime_has_its_own_name_for_an_image(void **state)
{
        (void)state;
        static const struct {
                const char *image, *apptainer, *pyxis;
        } cases[] = {
                {"python:3.12", "docker://python:3.12", "python:3.12"},
                {"ana/tool", "docker://ana/tool", "ana/tool"},
                {"nvcr.io/nvidia/pytorch:25.01", "docker://nvcr.io/nvidia/pytorch:25.01",
                 "nvcr.io#nvidia/pytorch:25.01"},
                {"localhost/tool", "docker://localhost/tool", "localhost#tool"},
                {"registry:5000/a/b@sha256:0", "docker://registry:5000/a/b@sha256:0",
                 "registry:5000#a/b@sha256:0"},
                {"nvcr.io#nvidia/pytorch", "docker://nvcr.io#nvidia/pytorch",
                 "nvcr.io#nvidia/pytorch"},
                {"/images/a.sif", "/images/a.sif", "/images/a.sif"},
                {"oras://a.org/b/c", "oras://a.org/b/c", "oras://a.org/b/c"},
                {"-x", "docker://-x", "-x"},
                {"$(id)", "docker://$(id)", "$(id)"},
        };
        for (size_t i = 0; i < GW_COUNT(cases); i++) {
                check_name(GW_SLURM_APPTAINER, cases[i].image, cases[i].apptainer);
                check_name(GW_SLURM_PYXIS, cases[i].image, cases[i].pyxis);
        }
        check_name(GW_SLURM_BUNDLES, "/bundles/a", "/bundles/a");
}

static void what_a_site_cannot_run_is_refused(void **state)
{
        (void)state;
        struct gw_spec with = spec_of("python:3.12", 0), without = spec_of(NULL, 0);
        struct gw_buf out = GW_BUF_INIT(4096);
        struct gw_error err = {0};
        const struct gw_slurm_site none = {0}, bundles = {.runtime = GW_SLURM_BUNDLES},
                                   command = {.runtime = GW_SLURM_APPTAINER};
        assert_int_equal(gw_slurm_container_check(&none, &without, &err), 0);
        assert_int_equal(gw_slurm_container_check(&bundles, &with, &err), 0);
        assert_int_equal(gw_slurm_container_check(&none, &with, &err), -1);
        assert_string_equal(err.pointer, "/image");
        err = (struct gw_error){0};
        assert_int_equal(gw_slurm_container_image(&bundles, &with, GW_SLURM_BUNDLES, &out, &err),
                         -1);
        assert_string_equal(err.pointer, "/image");
        assert_non_null(strstr(err.message, "absolute path"));
        err = (struct gw_error){0};
        with.is_raw = true;
        assert_int_equal(gw_slurm_container_check(&bundles, &with, &err), 0);
        assert_int_equal(gw_slurm_container_check(&command, &with, &err), -1);
        assert_non_null(strstr(err.message, "a script that sbatch reads"));
        gw_buf_done(&out);
        gw_spec_done(&with);
        gw_spec_done(&without);
}

static void check_words(const struct gw_slurm_site *site, const char *image, int gpus,
                        const char *wanted)
{
        struct gw_spec spec = spec_of(image, gpus);
        struct gw_buf out = GW_BUF_INIT(4096);
        gw_slurm_container_words(&out, site, &spec);
        assert_true(gw_buf_ok(&out));
        assert_string_equal(out.data ? out.data : "", wanted);
        assert_int_equal(gw_slurm_container_wraps(site, &spec), *wanted != '\0');
        gw_buf_done(&out);
        gw_spec_done(&spec);
}

static void the_command_stands_in_front(void **state)
{
        (void)state;
        struct gw_slurm_site site = {.runtime = GW_SLURM_APPTAINER};
        check_words(&site, NULL, 1, "");
        check_words(&site, "a", 0, " apptainer exec 'docker://a'");
        check_words(&site, "a", 2, " apptainer exec --nv 'docker://a'");
        check_words(&site, "a';id;'", 0, " apptainer exec 'docker://a'\\'';id;'\\'''");
        site.container_command = json_pack("[s, s, s]", "/opt/a b", "run", "--x");
        site.container_gpu_arguments = json_pack("[s]", "--rocm");
        check_words(&site, "/a.sif", 0, " '/opt/a b' 'run' '--x' '/a.sif'");
        check_words(&site, "/a.sif", 1, " '/opt/a b' 'run' '--x' '--rocm' '/a.sif'");
        site.runtime = GW_SLURM_PYXIS;
        check_words(&site, "a", 1, "");
        json_decref(site.container_command);
        json_decref(site.container_gpu_arguments);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_runtime_has_its_own_name_for_an_image),
                cmocka_unit_test(what_a_site_cannot_run_is_refused),
                cmocka_unit_test(the_command_stands_in_front),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
