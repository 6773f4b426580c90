// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * What outlives the process: pinned links, who finds them, and whose they are.
 */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/capability.h>

#include "backends/base/cleanup.h"
#include "backends/cgroup-bpf/bpf-call.h"
#include "backends/cgroup-bpf/pins.h"
#include "tests/netns/test-cgroup-bpf-lib.h"

#define N_PLAIN 5 /* programs of a group that does not resolve */
#define N_MAPS 2
#define SOMEBODY 64001

/* What resync gives for a group that another process marked. */
static Fact left_behind(const Directory *directory) {
        return (Fact){ .kind = FACT_MARKED_GROUP, .marked_group.id = directory->id };
}

static char *pin_of(const Directory *directory, BpfHook hook) {
        char name[PIN_NAME_MAX];

        pin_name_format(directory->id, hook, name);
        return g_build_filename(PINS, name, NULL);
}

static uint32_t program_at(const Directory *directory, BpfHook hook) {
        uint32_t ids[PROGRAMS_MAX];
        int fd = world_open(directory);

        g_assert_cmpint(others_query(fd, hook, ids), ==, 1);
        (void)close(fd);
        return ids[0];
}

static void expect_facts(World *world, const Fact *const *facts, size_t n) {
        g_assert_cmpint(world->backend->interface->resync(world->backend), ==, 0);
        g_assert_cmpuint(world->observed.facts.n, ==, n);
        for (size_t i = 0; i < n; i++) {
                const Fact *seen = fact_set_find(&world->observed, facts[i]);

                g_assert_nonnull(seen);
                g_assert_true(fact_equals(seen, facts[i]));
        }
}

typedef struct Marking {
        World *world;
        Fact facts[4];
} Marking;

static void mark_and_die(void *data) {
        const Marking *marking = data;

        for (size_t i = 0; i < G_N_ELEMENTS(marking->facts); i++)
                world_want(marking->world, OPERATION_ADD, &marking->facts[i]);
        (void)kill(getpid(), SIGKILL);
}

static void test_survives_death_and_is_taken_over(World *world) {
        Directory *outer = world_directory(world, NULL), *inner = world_directory(world, outer);
        Marking marking = { world,
                { world_group(outer, MARK, MASK, true), world_group(inner, 0, MASK, false),
                        world_resolver("10.77.1.1"), world_resolver("fd77:1::1") } };
        const Fact unknown[] = { left_behind(outer), left_behind(inner) };
        unsigned n_programs;
        uint32_t before;
        int status;
        pid_t pid;

        world->backend = cgroup_bpf_free(world->backend);
        pid = fork();
        g_assert_cmpint(pid, >=, 0);
        if (pid == 0) {
                world_restart(world);
                mark_and_die(&marking);
        }
        g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
        g_assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);

        g_assert_cmphex(world_mark_in(outer), ==, MARK);
        g_assert_cmphex(world_mark_in(inner), ==, 0);
        world_join(world->home_group);
        n_programs = world_count_programs(outer);
        g_assert_cmpuint(world_count_programs(inner), ==, N_PLAIN);
        g_assert_cmpuint(world_count_pins(), ==, n_programs + N_PLAIN + N_MAPS);
        before = program_at(inner, BPF_HOOK_SOCK_CREATE);

        world->backend = world_backend(world, false);
        expect_facts(world,
                (const Fact *[]){ &unknown[0], &unknown[1], &marking.facts[2], &marking.facts[3] },
                4);
        for (size_t i = 0; i < 2; i++)
                world_want(world, OPERATION_REPLACE, &marking.facts[i]);
        g_assert_cmpuint(program_at(inner, BPF_HOOK_SOCK_CREATE), !=, before);
        g_assert_cmpuint(world_count_programs(outer), ==, n_programs);
        g_assert_cmpuint(world_count_programs(inner), ==, N_PLAIN);
        expect_facts(world,
                (const Fact *[]){ &marking.facts[0], &marking.facts[1], &marking.facts[2],
                        &marking.facts[3] },
                4);

        for (size_t i = 0; i < G_N_ELEMENTS(marking.facts); i++)
                world_want(world, OPERATION_REMOVE, &marking.facts[i]);
        g_assert_cmpuint(world_count_programs(outer) + world_count_programs(inner), ==, 0);
        g_assert_cmphex(world_mark_in(outer), ==, 0);
        world_expect_only(world, NULL);
        world_restart(world);
        world_expect_only(world, NULL);
}

static void test_removes_what_an_earlier_process_left(World *world) {
        Directory *group = world_directory(world, NULL);
        const Fact fact = world_group(group, MARK, MASK, true), left = left_behind(group);
        const Fact other = world_group(group, 0, MASK, false);

        for (int replaces = 0; replaces < 2; replaces++) {
                world_want(world, OPERATION_ADD, &fact);
                world_restart(world);
                world_expect_only(world, &left);
                if (replaces) {
                        world_want(world, OPERATION_REPLACE, &other);
                        g_assert_cmpuint(world_count_programs(group), ==, N_PLAIN);
                }
                world_want(world, OPERATION_REMOVE, &fact);
                g_assert_cmpuint(world_count_programs(group), ==, 0);
                g_assert_cmphex(world_mark_in(group), ==, 0);
        }
}

/* Another process makes sockets all the time while one service follows the other. */
static void test_is_taken_over_without_a_moment_without_mark(World *world) {
        Directory *group = world_directory(world, NULL);
        const Fact fact = world_group(group, MARK, MASK, true);
        int stop[2], status;
        pid_t pid;

        world_want(world, OPERATION_ADD, &fact);
        world->backend = cgroup_bpf_free(world->backend);
        g_assert_cmpint(pipe2(stop, O_CLOEXEC | O_NONBLOCK), ==, 0);
        pid = fork();
        g_assert_cmpint(pid, >=, 0);
        if (pid == 0) {
                unsigned long n = 0;
                char byte;

                world_join(group->path);
                (void)close(stop[1]);
                for (; read(stop[0], &byte, 1) < 0; n++) {
                        int fd = world_socket(AF_INET, SOCK_DGRAM, 0);

                        if (world_mark_of(fd) != MARK)
                                _exit(1);
                        (void)close(fd);
                }
                _exit(n > 100 ? 0 : 2);
        }
        for (int i = 0; i < 100; i++) {
                world_restart(world);
                world_want(world, OPERATION_REPLACE, &fact);
        }
        (void)close(stop[1]);
        (void)close(stop[0]);
        g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
        g_assert_cmpint(status, ==, 0);
}

/* Somebody with the powers for it takes a program off: its link has no group then. */
static void test_notices_what_others_detached(World *world) {
        Directory *group = world_directory(world, NULL);
        const Fact fact = world_group(group, MARK, MASK, false), left = left_behind(group);
        g_autofree char *pin = pin_of(group, BPF_HOOK_CONNECT4);
        int link;

        world_want(world, OPERATION_ADD, &fact);
        link = bpf_call_get(pin);
        g_assert_cmpint(bpf_call_link_detach(link), ==, 0);
        (void)close(link);
        world_expect_only(world, &left);
        world_want(world, OPERATION_REPLACE, &fact);
        g_assert_cmpuint(world_count_programs(group), ==, N_PLAIN);
        world_expect_only(world, &fact);

        /* The directory emptied: nothing is attached any more. */
        g_assert_cmpint(system("rm " PINS "/*"), ==, 0);
        world_wait_unmarked(group);
        world_expect_only(world, NULL);
        world_want(world, OPERATION_ADD, &fact);
        world_expect_only(world, &fact);
}

static void remount(bool lazily) {
        g_assert_cmpint(umount2(BPF_FS, lazily ? MNT_DETACH : 0), ==, 0);
        g_assert_cmpint(mount("bpf", BPF_FS, "bpf", 0, "mode=700"), ==, 0);
}

/* The file system is exchanged while we run: nothing is detached, and the next process finds all.
 */
static void test_follows_its_directory_to_another_file_system(World *world) {
        Directory *group = world_directory(world, NULL), *second = world_directory(world, NULL);
        const Fact fact = world_group(group, MARK, MASK, true), left = left_behind(group);
        const Fact later = world_group(second, MARK, MASK, true);
        Fault fault;
        unsigned n;

        world_want(world, OPERATION_ADD, &fact);
        n = world_count_programs(group);
        remount(/* lazily= */ true);
        g_assert_cmphex(world_mark_in(group), ==, MARK);
        g_assert_cmpuint(world_count_pins(), ==, 0);
        world_expect_only(world, &fact);
        g_assert_cmpuint(world_count_pins(), ==, n + N_MAPS);
        world_join(world->home_group);

        /* The next thing that happens is that another group is to be marked. */
        remount(/* lazily= */ true);
        world_want(world, OPERATION_ADD, &later);
        g_assert_cmpuint(world_count_pins(), ==, 2 * n + N_MAPS);
        world_want(world, OPERATION_REMOVE, &later);
        world_restart(world);
        world_expect_only(world, &left);
        g_assert_cmpuint(world_count_programs(group), ==, n);

        /* Without one it says so, and removing goes on. */
        world_want(world, OPERATION_REPLACE, &fact);
        g_assert_cmpint(umount2(BPF_FS, MNT_DETACH), ==, 0);
        g_assert_cmpint(world_apply(world, OPERATION_ADD, &later, &fault), ==, -EOPNOTSUPP);
        g_assert_cmpstr(fault.text, ==, "no BPF file system at " BPF_FS);
        world_expect_only(world, &fact);
        world_want(world, OPERATION_REMOVE, &fact);
        g_assert_cmpuint(world_count_programs(group), ==, 0);
        g_assert_cmpint(mount("bpf", BPF_FS, "bpf", 0, "mode=700"), ==, 0);
        world_want(world, OPERATION_ADD, &later);
        world_expect_only(world, &later);
}

static void test_makes_its_directory_anew(World *world) {
        Directory *group = world_directory(world, NULL);
        const Fact fact = world_group(group, MARK, MASK, true);

        world_want(world, OPERATION_ADD, &fact);
        g_assert_cmpint(system("rm -r " PINS), ==, 0);
        world_wait_unmarked(group);
        world_expect_only(world, NULL);
        world_want(world, OPERATION_ADD, &fact);
        g_assert_cmphex(world_mark_in(group), ==, MARK);
        world_expect_only(world, &fact);
}

static void wait_for_no_pins(World *world) {
        world_wait_only(world, NULL);
        g_assert_cmpuint(world_count_pins(), <=, N_MAPS);
}

static void test_forgets_groups_that_are_gone(World *world) {
        Directory *told = world_directory(world, NULL), *untold = world_directory(world, NULL);
        const Fact facts[] = { world_group(told, MARK, MASK, true),
                world_group(untold, MARK, MASK, true) };

        for (size_t i = 0; i < 2; i++)
                world_want(world, OPERATION_ADD, &facts[i]);
        g_assert_cmpint(rmdir(told->path), ==, 0);
        cgroup_bpf_group_gone(world->backend, told->id);
        g_assert_cmpuint(world_count_pins(), ==, world_count_programs(untold) + N_MAPS);

        /* While nobody watches. */
        world_restart(world);
        g_assert_cmpint(rmdir(untold->path), ==, 0);
        wait_for_no_pins(world);
}

static void pin_link(const Directory *directory, BpfHook hook, const char *path) {
        static const BpfProgramParameters parameters = { .mark = 0x51, .mask = 0xff };
        char text[BPF_CALL_TEXT_MAX];
        BpfProgram program;
        int group = world_open(directory), fd, link;

        bpf_program_build(hook, &parameters, &program);
        fd = bpf_call_load(hook, &program, text);
        g_assert_cmpint(fd, >=, 0);
        link = bpf_call_link(group, hook, fd, 0);
        g_assert_cmpint(link, >=, 0);
        g_assert_cmpint(bpf_call_pin(link, path), ==, 0);
        (void)close(link);
        (void)close(fd);
        (void)close(group);
}

static void pin_map(const char *path) {
        int map = bpf_call_make_map(&(BpfMapSpec){ .name = "theirs",
                .type = BPF_MAP_TYPE_ARRAY,
                .key_size = 4,
                .value_size = 4,
                .max_entries = 1 });

        g_assert_cmpint(map, >=, 0);
        g_assert_cmpint(bpf_call_pin(map, path), ==, 0);
        (void)close(map);
}

/* Whatever stands under a name of ours and is not ours is left alone, and told. */
static void test_leaves_alone_what_is_not_ours(World *world) {
        Directory *group = world_directory(world, NULL), *other = world_directory(world, NULL);
        const Fact fact = world_group(group, MARK, MASK, false);
        g_autofree char *create = pin_of(group, BPF_HOOK_SOCK_CREATE);
        g_autofree char *connect4 = pin_of(group, BPF_HOOK_CONNECT4);
        g_autofree char *zero = g_strconcat(PINS "/0", strrchr(connect4, '/') + 1, NULL);
        enum { OTHER_GROUP, OTHER_HOOK, MAP, LINK_TO_IT, DIRECTORY, OF_SOMEBODY, _N };

        pin_link(other, BPF_HOOK_BIND4, PINS "/theirs");
        pin_link(other, BPF_HOOK_BIND6, zero);
        for (int what = 0; what < _N; what++) {
                Fault fault;

                switch (what) {
                case OTHER_GROUP:
                        pin_link(other, BPF_HOOK_CONNECT4, connect4);
                        break;
                case OTHER_HOOK:
                        pin_link(group, BPF_HOOK_CONNECT6, connect4);
                        break;
                case MAP:
                        pin_map(connect4);
                        break;
                case LINK_TO_IT:
                        g_assert_cmpint(symlink(PINS "/theirs", connect4), ==, 0);
                        break;
                case DIRECTORY:
                        g_assert_cmpint(mkdir(connect4, 0700), ==, 0);
                        break;
                case OF_SOMEBODY:
                        pin_link(group, BPF_HOOK_CONNECT4, connect4);
                        g_assert_cmpint(chown(connect4, SOMEBODY, SOMEBODY), ==, 0);
                        break;
                }
                world_expect_only(world, NULL);
                g_assert_cmpint(world_apply(world, OPERATION_ADD, &fact, &fault), <, 0);
                g_assert_nonnull(strstr(fault.text, strrchr(connect4, '/') + 1));
                g_assert_cmpint(access(create, F_OK), ==, -1); /* nothing half done */
                g_assert_cmpint(world_apply(world, OPERATION_REMOVE, &fact, &fault), <, 0);
                cgroup_bpf_group_gone(world->backend, group->id);
                world_restart(world);
                g_assert_cmpint(faccessat(AT_FDCWD, connect4, F_OK, AT_SYMLINK_NOFOLLOW), ==, 0);
                g_assert_cmpint(remove(connect4), ==, 0);
        }
        g_assert_cmpint(access(PINS "/theirs", F_OK), ==, 0);
        g_assert_cmpint(access(zero, F_OK), ==, 0);
        world_want(world, OPERATION_ADD, &fact);
        world_expect_only(world, &fact);
}

static void test_clears_all_that_is_ours(World *world) {
        const CgroupBpfConfig config = world_config(world);
        Directory *groups[3];
        Fault fault;

        for (size_t i = 0; i < G_N_ELEMENTS(groups); i++)
                groups[i] = world_marked(world, i % 2);
        world->backend = cgroup_bpf_free(world->backend);
        g_assert_cmpint(cgroup_bpf_clear(&config, &fault), ==, 1);
        for (size_t i = 0; i < G_N_ELEMENTS(groups); i++)
                g_assert_cmpuint(world_count_programs(groups[i]), ==, 0);
        g_assert_cmpint(access(PINS, F_OK), ==, -1);
        g_assert_cmpint(cgroup_bpf_clear(&config, &fault), ==, 0);
        g_assert_cmpint(access(PINS, F_OK), ==, -1);
}

static void check_probe(const CgroupBpfConfig *config, const char *why) {
        char text[CGROUP_BPF_TEXT_MAX];

        g_assert_cmpint(cgroup_bpf_probe(config, NULL, -1, text), ==, why == NULL);
        if (why && !strstr(text, why))
                g_error("'%s' does not say '%s'", text, why);
}

static void test_probe_says_what_is_missing(World *world) {
        CgroupBpfConfig config = world_config(world);
        int fd;

        world->backend = cgroup_bpf_free(world->backend);
        check_probe(&config, NULL);
        g_assert_cmpint(access(PINS, F_OK), ==, -1);

        g_assert_cmpint(mount(NULL, BPF_FS, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL), ==, 0);
        check_probe(&config, "Read-only");
        g_assert_cmpint(mount(NULL, BPF_FS, NULL, MS_REMOUNT | MS_BIND, NULL), ==, 0);

        g_assert_cmpint(mkdir(PINS, 0700), ==, 0);
        g_assert_cmpint(mkdir(PINS "/theirs", 0700), ==, 0); /* so that it stays */
        g_assert_cmpint(mount(NULL, BPF_FS, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL), ==, 0);
        check_probe(&config, "Read-only");
        g_assert_cmpint(mount(NULL, BPF_FS, NULL, MS_REMOUNT | MS_BIND, NULL), ==, 0);

        g_assert_cmpint(chown(PINS, SOMEBODY, SOMEBODY), ==, 0);
        check_probe(&config, "belongs to user 64001");
        config.owner = SOMEBODY;
        check_probe(&config, NULL);
        g_assert_cmpint(chmod(PINS, 0770), ==, 0);
        check_probe(&config, "others may write");
        g_assert_cmpint(chmod(PINS, 0700), ==, 0);

        fd = open(PINS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        g_assert_cmpint(flock(fd, LOCK_EX), ==, 0);
        check_probe(&config, "another process uses " PINS);
        (void)close(fd);
        check_probe(&config, NULL);

        g_assert_cmpint(umount(BPF_FS), ==, 0);
        check_probe(&config, "no BPF file system at " BPF_FS);
        config.directory = "/nonexistent/bpf/talpid";
        check_probe(&config, "no BPF file system at /nonexistent/bpf");
        config.directory = "/talpid";
        check_probe(&config, "no BPF file system at /");
        g_assert_cmpint(access("/talpid", F_OK), ==, -1);
}

static void test_probe_changes_nothing(World *world) {
        Directory *group = world_directory(world, NULL);
        const Fact fact = world_group(group, MARK, MASK, true);
        CgroupBpfConfig config = world_config(world);
        int directory = world_open(group);
        char text[CGROUP_BPF_TEXT_MAX];
        unsigned n;

        world_want(world, OPERATION_ADD, &fact);
        n = world_count_programs(group);
        world->backend = cgroup_bpf_free(world->backend);
        g_assert_cmpint(cgroup_bpf_probe(&config, NULL, directory, text), ==, 1);
        g_assert_cmpstr(text, ==, "");
        g_assert_cmphex(world_mark_in(group), ==, MARK);
        g_assert_cmpuint(world_count_programs(group), ==, n);
        g_assert_cmpuint(world_count_pins(), ==, n + N_MAPS);
        world->backend = world_backend(world, false);
        (void)close(directory);
}

/* As the unit gives them. */
static void become_service(void) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        const uint32_t low = 1u << CAP_NET_ADMIN | 1u << CAP_DAC_OVERRIDE | 1u << CAP_SYS_PTRACE;
        const uint32_t high = 1u << (CAP_BPF - 32) | 1u << (CAP_PERFMON - 32);
        struct __user_cap_data_struct data[2] = { { low, low, 0 }, { high, high, 0 } };

        g_assert_cmpint(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0), ==, 0);
        g_assert_cmpint(setresuid(SOMEBODY, SOMEBODY, SOMEBODY), ==, 0);
        g_assert_cmpint(syscall(SYS_capset, &header, data), ==, 0);
}

static void run_as_service(void *data) {
        const Marking *marking = data;

        become_service();
        world_restart(marking->world);
        world_want(marking->world, OPERATION_REPLACE, &marking->facts[0]);
        world_expect_only(marking->world, &marking->facts[0]);
        /* _exit() follows: it stays attached. */
}

static void test_needs_few_capabilities_and_no_root(World *world) {
        Directory *group = world_directory(world, NULL);
        Marking marking = { world, { world_group(group, MARK, MASK, true) } };
        CgroupBpfConfig config = world_config(world);
        struct stat st;
        Fault fault;

        world->backend = cgroup_bpf_free(world->backend);
        for (int i = 0; i < 2; i++) {
                world_run_in_child(run_as_service, &marking);
                g_assert_cmpint(stat(PINS, &st), ==, 0);
                g_assert_cmpuint(st.st_uid, ==, SOMEBODY);
                g_assert_cmpuint(st.st_mode & 0777, ==, 0700);
                g_assert_cmphex(world_mark_in(group), ==, MARK);
        }
        world_join(world->home_group);

        /* Root, who cleans up behind it. */
        config.owner = SOMEBODY;
        g_assert_cmpint(cgroup_bpf_clear(&config, &fault), ==, 1);
        g_assert_cmpuint(world_count_programs(group), ==, 0);
        world->backend = world_backend(world, false);
        world_expect_only(world, NULL);
}

static void test_marks_many_groups_in_time(World *world) {
        enum { N = 4096 };
        g_autofree Operation *operations = g_new0(Operation, N);
        g_autofree Fault *faults = g_new0(Fault, N);
        Directory *outer = world_directory(world, NULL);
        const BackendInterface *interface = world->backend->interface;
        gint64 start, attached, read, exchanged;

        for (size_t i = 0; i < N; i++)
                operations[i] = (Operation){ .verb = OPERATION_ADD,
                        .fact = world_group(world_directory(world, outer), MARK, MASK, true) };
        start = g_get_monotonic_time();
        g_assert_cmpuint(interface->apply(world->backend, operations, N, faults), ==, 0);
        attached = g_get_monotonic_time();
        world_restart(world);
        g_assert_cmpint(interface->resync(world->backend), ==, 0);
        read = g_get_monotonic_time();
        g_assert_cmpuint(world->observed.facts.n, ==, N);
        for (size_t i = 0; i < N; i++)
                operations[i].verb = OPERATION_REPLACE;
        g_assert_cmpuint(interface->apply(world->backend, operations, N, faults), ==, 0);
        exchanged = g_get_monotonic_time();
        g_test_message("%d groups: attached in %d ms, read in %d ms, exchanged in %d ms", N,
                (int)((attached - start) / 1000), (int)((read - attached) / 1000),
                (int)((exchanged - read) / 1000));
        g_assert_cmpint(exchanged - start, <, 20 * G_USEC_PER_SEC);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);

#define TEST(path, test) world_test_add("/cgroup-bpf-pins/" path, test, false)
        TEST("survives-death-and-is-taken-over", test_survives_death_and_is_taken_over);
        TEST("removes-what-an-earlier-process-left", test_removes_what_an_earlier_process_left);
        TEST("is-taken-over-without-a-moment-without-mark",
                test_is_taken_over_without_a_moment_without_mark);
        TEST("notices-what-others-detached", test_notices_what_others_detached);
        TEST("forgets-groups-that-are-gone", test_forgets_groups_that_are_gone);
        TEST("follows-its-directory-to-another-file-system",
                test_follows_its_directory_to_another_file_system);
        TEST("makes-its-directory-anew", test_makes_its_directory_anew);
        TEST("leaves-alone-what-is-not-ours", test_leaves_alone_what_is_not_ours);
        TEST("clears-all-that-is-ours", test_clears_all_that_is_ours);
        TEST("probe-says-what-is-missing", test_probe_says_what_is_missing);
        TEST("probe-changes-nothing", test_probe_changes_nothing);
        TEST("needs-few-capabilities-and-no-root", test_needs_few_capabilities_and_no_root);
        TEST("marks-many-groups-in-time", test_marks_many_groups_in_time);
        return g_test_run();
}
