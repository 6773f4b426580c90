// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/split/taken.h"

#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>

typedef struct Place {
        char *directory, *path;
} Place;

static Place place_new(void) {
        Place place = { .directory = g_dir_make_tmp("talpid-taken-XXXXXX", NULL) };

        place.path = g_build_filename(place.directory, "taken", NULL);
        return place;
}

static void place_clear(Place *place) {
        (void)g_unlink(place->path);
        g_assert_cmpint(g_rmdir(place->directory), ==, 0); /* nothing else is left behind */
        g_free(place->directory);
        g_free(place->path);
}

static Taken *open_taken(const char *path) {
        Taken *taken = NULL;

        g_assert_cmpint(taken_new(path, &taken), ==, 0);
        return taken;
}

/* The processes 1 … @n are out. */
static void keep(Taken *taken, pid_t n) {
        CLEANUP(array_clear) Array pids = ARRAY_INIT(pid_t);

        for (pid_t pid = 1; pid <= n; pid++)
                g_assert_nonnull(array_append(&pids, &pid));
        taken_keep(taken, &pids);
}

static void test_finds(void) {
        CLEANUP(taken_free_p) Taken *taken = open_taken(NULL);

        keep(taken, 0);
        taken_note(taken, 30, 7, 1000);
        taken_note(taken, 20, 8, 2000);
        g_assert_cmpuint(taken_find(taken, 30, 7), ==, 1000);
        g_assert_cmpuint(taken_find(taken, 20, 8), ==, 2000);
        g_assert_cmpuint(taken_find(taken, 25, 8), ==, 0);
        /* Another process of that number. */
        g_assert_cmpuint(taken_find(taken, 30, 9), ==, 0);
        taken_note(taken, 30, 9, 3000);
        g_assert_cmpuint(taken_find(taken, 30, 9), ==, 3000);
        g_assert_cmpuint(taken_find(taken, 30, 7), ==, 0);
        g_assert_true(taken_is_complete(taken));
}

static void test_outlives_a_run(void) {
        Place place = place_new();
        Taken *taken = open_taken(place.path);

        keep(taken, 0);
        taken_note(taken, 1, 7, G_MAXUINT64 - 1);
        taken_note(taken, 3, G_MAXUINT64, 2000);
        taken_note(taken, 9, 1, 3000);
        taken_note(taken, 1, 7, 4000);
        (void)taken_free(taken);

        taken = open_taken(place.path);
        keep(taken, 3); /* 9 has ended, 2 was born outside */
        g_assert_true(taken_is_complete(taken));
        g_assert_cmpuint(taken_find(taken, 1, 7), ==, 4000);
        g_assert_cmpuint(taken_find(taken, 3, G_MAXUINT64), ==, 2000);
        g_assert_cmpuint(taken_find(taken, 9, 1), ==, 0);
        taken_note(taken, 2, 5, 5000);
        (void)taken_free(taken);

        taken = open_taken(place.path);
        g_assert_cmpuint(taken_find(taken, 1, 7), ==, 4000);
        g_assert_cmpuint(taken_find(taken, 2, 5), ==, 5000);
        (void)taken_free(taken);
        place_clear(&place);
}

/* Who is out without an entry may have been moved: nothing is said of them, in later runs neither.
 */
static void test_knows_what_it_does_not_know(void) {
        static const char *const contents[] = { NULL, "", "talpid-taken\n", "talpid-taken comp",
                "talpid-taken complete\n1 2", "talpid-taken complete\n1 2 3 4\n",
                "talpid-taken complete\n-1 2 3\n", "talpid-taken complete\nx\n",
                "talpid-taken partial\n1 2 3\n" };

        for (size_t i = 0; i < G_N_ELEMENTS(contents); i++) {
                Place place = place_new();
                Taken *taken;

                if (contents[i])
                        g_assert_true(g_file_set_contents(place.path, contents[i], -1, NULL));
                taken = open_taken(place.path);
                keep(taken, 4);
                g_assert_false(taken_is_complete(taken));
                taken_note(taken, 4, 2, 2000);
                (void)taken_free(taken);

                taken = open_taken(place.path);
                keep(taken, 4);
                g_assert_false(taken_is_complete(taken));
                g_assert_cmpuint(taken_find(taken, 4, 2), ==, 2000);
                keep(taken, 0);
                g_assert_true(taken_is_complete(taken));
                (void)taken_free(taken);
                place_clear(&place);
        }
}

static void test_is_bounded(void) {
        Place place = place_new();
        Taken *taken = open_taken(place.path);

        keep(taken, 0);
        for (pid_t pid = 1; pid <= TAKEN_MAX; pid++) {
                g_assert_false(taken_is_full(taken));
                taken_note(taken, pid, 1, 1);
        }
        g_assert_true(taken_is_full(taken));
        keep(taken, 10);
        g_assert_false(taken_is_full(taken));
        g_assert_true(taken_is_complete(taken));

        for (pid_t pid = 1; pid <= TAKEN_MAX + 1; pid++)
                taken_note(taken, pid, 1, 1);
        g_assert_cmpuint(taken_find(taken, TAKEN_MAX + 1, 1), ==, 0);
        g_assert_false(taken_is_complete(taken));
        g_assert_false(g_file_test(place.path, G_FILE_TEST_EXISTS));
        (void)taken_free(taken);
        place_clear(&place);
}

int main(int argc, char *argv[]) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/taken/finds-each-process-and-no-other-of-its-number", test_finds);
        g_test_add_func("/taken/outlives-a-run-and-forgets-who-ended", test_outlives_a_run);
        g_test_add_func("/taken/knows-what-it-does-not-know", test_knows_what_it_does_not_know);
        g_test_add_func("/taken/is-bounded", test_is_bounded);
        return g_test_run();
}
