// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * What is new beside listed groups: marked from its first socket on, until it
 * is known; with the process that attached the programs or without it.
 */

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/netns/test-cgroup-bpf-lib.h"

#define INCLUDED UINT32_C(0x20000000)

static Fact known(const Directory *directory, uint32_t level, bool is_above) {
        return world_known(directory, level, is_above ? INCLUDED : 0);
}

static void want_known(World *world, const Directory *directory, uint32_t level, bool is_above) {
        const Fact fact = known(directory, level, is_above);

        world_want(world, OPERATION_ADD, &fact);
}

static void want_gone(World *world, const Directory *directory, uint32_t level, bool is_above) {
        const Fact fact = known(directory, level, is_above);

        world_want(world, OPERATION_REMOVE, &fact);
}

static void expect_mark(const Directory *directory, uint32_t mark) {
        g_assert_cmphex(world_mark_in(directory), ==, mark);
}

static void marks_what_is_new_until_it_is_known(World *world) {
        const Directory *top = world_directory(world, NULL);
        const Directory *before = world_directory(world, top);
        const Directory *after;

        want_known(world, before, 1, false);
        want_known(world, top, 0, true);
        expect_mark(top, 0);
        expect_mark(before, 0);
        expect_mark(world_directory(world, before), 0);

        after = world_directory(world, top);
        expect_mark(after, INCLUDED);
        expect_mark(world_directory(world, after), INCLUDED);
        want_known(world, after, 1, false);
        expect_mark(after, 0);

        want_gone(world, top, 0, true);
        expect_mark(world_directory(world, top), 0);
        want_gone(world, before, 1, false);
        want_gone(world, after, 1, false);
        g_assert_cmpuint(world_count_pins(), ==, 0);
}

/* The one above in the middle is not new itself, and what is new in it is. */
static void looks_into_groups_that_lie_above(World *world) {
        const Directory *top = world_directory(world, NULL);
        const Directory *middle = world_directory(world, top);
        const Directory *beside = world_directory(world, middle);

        want_known(world, beside, 2, false);
        want_known(world, middle, 1, true);
        want_known(world, top, 0, true);
        expect_mark(middle, 0);
        expect_mark(beside, 0);
        expect_mark(world_directory(world, middle), INCLUDED);
        expect_mark(world_directory(world, top), INCLUDED);
}

static void leaves_alone_who_chose_a_way(World *world) {
        const Directory *top = world_directory(world, NULL);
        const Directory *fresh;
        uint32_t mark = MARK;
        int fd;

        want_known(world, top, 0, true);
        fresh = world_directory(world, top);
        world_join(fresh->path);
        fd = world_socket(AF_INET, SOCK_DGRAM, 0);
        g_assert_cmphex(world_mark_of(fd), ==, INCLUDED);
        g_assert_cmpint(setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)), ==, 0);
        g_assert_cmpint(world_connect(fd, "127.0.0.1", PORT), ==, 0);
        g_assert_cmphex(world_mark_of(fd), ==, MARK);
        (void)close(fd);
}

/* One that was born before, elsewhere or in the kernel, when it is connected. */
static void marks_at_connect_what_birth_missed(World *world) {
        const Directory *top = world_directory(world, NULL);
        const Directory *fresh = world_directory(world, top);
        int fd;

        world_join(fresh->path);
        fd = world_socket(AF_INET6, SOCK_DGRAM, 0);
        want_known(world, top, 0, true);
        g_assert_cmphex(world_mark_of(fd), ==, 0);
        g_assert_cmpint(world_connect(fd, "::1", PORT), ==, 0);
        g_assert_cmphex(world_mark_of(fd), ==, INCLUDED);
        (void)close(fd);
}

/* The mark of a listed group is its own programs' and stays, whichever run first. */
static void leaves_marked_groups_their_mark(World *world) {
        for (int without_preorder = 0; without_preorder < 2; without_preorder++) {
                const Directory *top = world_directory(world, NULL);
                const Directory *listed = world_directory(world, top);
                const Fact group = world_group(listed, MARK, MASK, false);

                world->backend = cgroup_bpf_free(world->backend);
                world->backend = world_backend(world, without_preorder);
                want_known(world, top, 0, true);
                expect_mark(listed, INCLUDED);
                world_want(world, OPERATION_ADD, &group);
                expect_mark(listed, MARK);
                world_want(world, OPERATION_REMOVE, &group);
                want_gone(world, top, 0, true);
        }
}

static void outlives_its_process(World *world) {
        const Directory *top = world_directory(world, NULL);
        const Directory *beside = world_directory(world, top);
        const Directory *listed;
        Fact taken = known(top, 0, true), other = known(beside, 1, false);

        want_known(world, beside, 1, false);
        want_known(world, top, 0, true);
        world_restart(world);

        listed = world_directory(world, top);
        expect_mark(listed, INCLUDED);
        expect_mark(beside, 0);

        /* The next one finds both; its programs are to be exchanged, so the mark is not told. */
        g_assert_cmpint(world->backend->interface->resync(world->backend), ==, 0);
        g_assert_cmpuint(world->observed.facts.n, ==, 2);
        g_assert_true(fact_equals(fact_set_find(&world->observed, &other), &other));
        g_assert_true(fact_set_find(&world->observed, &taken)->known_group.is_above);
        g_assert_cmphex(fact_set_find(&world->observed, &taken)->known_group.mark, ==, 0);
        world_want(world, OPERATION_REPLACE, &taken);
        g_assert_cmpint(world->backend->interface->resync(world->backend), ==, 0);
        g_assert_true(fact_equals(fact_set_find(&world->observed, &taken), &taken));
        expect_mark(listed, INCLUDED);

        want_gone(world, top, 0, true);
        want_gone(world, beside, 1, false);
        expect_mark(listed, 0);
        g_assert_cmpuint(world_count_pins(), ==, 0);
}

static void is_cleared_with_all_else(World *world) {
        const Directory *top = world_directory(world, NULL);
        CgroupBpfConfig config = world_config(world);
        Fault fault;

        want_known(world, top, 0, true);
        world->backend = cgroup_bpf_free(world->backend);
        expect_mark(world_directory(world, top), INCLUDED);
        g_assert_cmpint(cgroup_bpf_clear(&config, &fault), ==, 1);
        expect_mark(world_directory(world, top), 0);
}

#define ADD(path, test) world_test_add("/cgroup-bpf-newcomers/" path, test, false)

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        ADD("marks-what-is-new-until-it-is-known", marks_what_is_new_until_it_is_known);
        ADD("looks-into-groups-that-lie-above", looks_into_groups_that_lie_above);
        ADD("leaves-alone-who-chose-a-way", leaves_alone_who_chose_a_way);
        ADD("marks-at-connect-what-birth-missed", marks_at_connect_what_birth_missed);
        ADD("leaves-marked-groups-their-mark", leaves_marked_groups_their_mark);
        ADD("outlives-its-process", outlives_its_process);
        ADD("is-cleared-with-all-else", is_cleared_with_all_else);
        return g_test_run();
}
