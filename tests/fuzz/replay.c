/* SPDX-License-Identifier: MIT */
/* The main function of a fuzz target without libFuzzer: replays the files given as arguments, or
 * the target's corpus. */
#include "config.h"

#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

#include "base/xalloc.h"
#include "fuzz.h"

static void replay_file(const char *path)
{
    FILE *file = fopen(path, "re"), *copy;
    char *bytes = NULL;
    size_t length = 0;
    int c;

    MUST(file);
    fprintf(stderr, "%s\n", path);
    copy = xmemstream(&bytes, &length);
    while ((c = getc(file)) != EOF)
        putc(c, copy);
    xfclose(copy);
    fclose(file);
    char *input = xcalloc(1, length ? length : 1); /* of the exact size, for the sanitizers */
    memcpy(input, bytes, length);
    free(bytes);
    LLVMFuzzerTestOneInput((const uint8_t *)input, length);
    free(input);
}

/* Returns the number of files. */
static size_t replay_directory(const char *path)
{
    struct dirent **found;
    int count = scandir(path, &found, NULL, alphasort);
    size_t replayed = 0;

    for (int i = 0; i < count; i++) {
        if (found[i]->d_name[0] != '.') {
            char *file = xasprintf("%s/%s", path, found[i]->d_name);
            replay_file(file);
            free(file);
            replayed++;
        }
        free(found[i]);
    }
    if (count >= 0)
        free(found);
    return replayed;
}

/* The corpus of tests/fuzz/fuzz_NAME; `make check` sets `srcdir`. */
static char *own_corpus(const char *program)
{
    const char *source = getenv("srcdir"), *name = strstr(program, "fuzz_");

    MUST(name);
    return xasprintf("%s/tests/fuzz/corpus/%s", source ? source : ".", name + strlen("fuzz_"));
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        for (int i = 1; i < argc; i++)
            replay_file(argv[i]);
        return EXIT_SUCCESS;
    }
    char *corpus = own_corpus(argv[0]);
    MUST(replay_directory(corpus) > 0);
    free(corpus);
    return EXIT_SUCCESS;
}
