/*
 * Feeds files to a fuzz target without libFuzzer: each argument is a file, or a folder
 * of files. Fails when there was none, so that a lost corpus is noticed.
 */
#include <errno.h>
#include <fts.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The target gets memory of exactly the file's size, so that a read past it is seen. */
static int replay(const char *path, size_t size)
{
        FILE *in = fopen(path, "rb");
        uint8_t *data = malloc(size ? size : 1);
        int rc = -1;
        if (in && data && fread(data, 1, size, in) == size) {
                printf("%s\n", path);
                fflush(stdout);
                LLVMFuzzerTestOneInput(data, size);
                rc = 0;
        } else {
                fprintf(stderr, "%s: %s\n", path, strerror(errno));
        }
        free(data);
        if (in)
                fclose(in);
        return rc;
}

int main(int argc, char **argv)
{
        if (argc < 2) {
                fprintf(stderr, "usage: %s FILE|FOLDER...\n", argv[0]);
                return 2;
        }
        FTS *tree = fts_open(argv + 1, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
        if (!tree)
                return 2;

        int inputs = 0, failed = 0;
        for (FTSENT *entry; (entry = fts_read(tree));) {
                if (entry->fts_info != FTS_F)
                        continue;
                inputs++;
                failed += replay(entry->fts_accpath, (size_t)entry->fts_statp->st_size) != 0;
        }
        fts_close(tree);
        if (inputs == 0)
                fprintf(stderr, "no inputs\n");
        return inputs == 0 || failed > 0;
}
