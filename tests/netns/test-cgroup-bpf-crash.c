// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * A process that marks groups is killed at each of its calls of bpf(2) and
 * unlink(2) in turn: whatever is left is found, completed or removed by the next.
 */

#include <glib.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/ptrace.h>

#include "tests/netns/test-cgroup-bpf-lib.h"

#define N_PLAIN 5 /* programs of a group that does not resolve */
#define OTHER_MARK (UINT32_C(2) << 28)

typedef struct Step {
        OperationVerb verb;
        Fact fact;
} Step;

static void run_steps(World *world, const Step *steps, size_t n) {
        g_assert_cmpint(ptrace(PTRACE_TRACEME, 0, 0, 0), ==, 0);
        (void)raise(SIGSTOP);
        for (size_t i = 0; i < n; i++)
                world_want(world, steps[i].verb, &steps[i].fact);
        _exit(0);
}

static bool is_counted(pid_t pid) {
        struct ptrace_syscall_info info = { 0 };

        g_assert_cmpint(ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info), >, 0);
        return info.op == PTRACE_SYSCALL_INFO_ENTRY &&
               (info.entry.nr == SYS_bpf || info.entry.nr == SYS_unlinkat);
}

/* Kills @pid before its call number @n. Return: whether it came that far. */
static bool kill_at(pid_t pid, unsigned n) {
        int status;

        g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
        g_assert_true(WIFSTOPPED(status));
        g_assert_cmpint(
                ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL), ==,
                0);
        for (unsigned seen = 0;;) {
                g_assert_cmpint(ptrace(PTRACE_SYSCALL, pid, 0, 0), ==, 0);
                g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
                if (WIFEXITED(status)) {
                        g_assert_cmpint(WEXITSTATUS(status), ==, 0);
                        return false;
                }
                g_assert_true(WIFSTOPPED(status));
                if (is_counted(pid) && seen++ == n) {
                        g_assert_cmpint(kill(pid, SIGKILL), ==, 0);
                        g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
                        g_assert_true(WIFSIGNALED(status));
                        return true;
                }
        }
}

/* The next process wants the group marked, or wants it not. */
static void check_next(World *world, const Directory *group, bool wants) {
        const Fact fact = world_group(group, MARK, MASK, false);

        world_restart(world);
        g_assert_cmpint(world->backend->interface->resync(world->backend), ==, 0);
        if (wants) {
                bool is_there = fact_set_find(&world->observed, &fact);

                world_want(world, is_there ? OPERATION_REPLACE : OPERATION_ADD, &fact);
                g_assert_cmphex(world_mark_in(group), ==, MARK);
                world_join(world->home_group);
                g_assert_cmpuint(world_count_programs(group), ==, N_PLAIN);
        }
        world_want(world, OPERATION_REMOVE, &fact);
        g_assert_cmpuint(world_count_programs(group), ==, 0);
        world_expect_only(world, NULL);
        world->backend = cgroup_bpf_free(world->backend);
        g_assert_cmpuint(world_count_pins(), ==, 0);
}

static void test_killed_anywhere(World *world) {
        Directory *group = world_directory(world, NULL);
        const Step steps[] = {
                { OPERATION_ADD, world_group(group, MARK, MASK, false) },
                { OPERATION_REPLACE, world_group(group, OTHER_MARK, MASK, true) },
                { OPERATION_REPLACE, world_group(group, MARK, MASK, false) },
                { OPERATION_REMOVE, world_group(group, MARK, MASK, false) },
        };
        bool is_killed = true;
        unsigned n;

        world->backend = cgroup_bpf_free(world->backend);
        for (n = 0; is_killed; n++) {
                pid_t pid = fork();

                g_assert_cmpint(pid, >=, 0);
                if (pid == 0) {
                        world_restart(world);
                        run_steps(world, steps, G_N_ELEMENTS(steps));
                }
                is_killed = kill_at(pid, n / 2);
                check_next(world, group, /* wants= */ n % 2);
        }
        g_test_message("killed at %u calls", n / 2);
        g_assert_cmpuint(n, >, 200);
        world->backend = world_backend(world, false);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        world_test_add("/cgroup-bpf-crash/next-process-mends-whatever-is-left",
                test_killed_anywhere,
                /* with_network= */ false);
        return g_test_run();
}
