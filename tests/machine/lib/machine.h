// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

/*
 * A whole Linux machine in namespaces: systemd, D-Bus, polkit, logind, and
 * NetworkManager or networkd, inside the network of lab.h.
 *
 * machine_main() boots it, runs the tests inside and removes all of it, also
 * when the test program is killed. The outer machine's links, routes, rules,
 * sysctls and files stay as they are: in the lab and in the machine all of its
 * mounts are read-only, the working directory and the program's too. Write to
 * /tmp. Needs root.
 *
 * The Machine belongs to machine_main(); bodies borrow it, and what its
 * getters return. Times are milliseconds. Functions return 0 or a negative
 * errno; `_ok` variants end the test with the program's own words.
 *
 * Environment: TALPID_MACHINE_SHELL=1 gives a shell in place of the tests,
 * TALPID_MACHINE_JOURNAL=1 prints the journal when they fail,
 * TALPID_MACHINE_PACKAGES says where fetch-packages put its packages.
 */

#include <gio/gio.h>
#include <stdbool.h>

#include "tests/machine/lib/command.h"
#include "tests/machine/lib/lab.h"

#define MACHINE_ALICE 1000
#define MACHINE_BOB 1001
#define MACHINE_PACKAGES "/var/cache/talpid-machine"
#define MACHINE_WAIT_MSEC 20000

typedef struct Machine Machine;

typedef enum MachineFlags {
        MACHINE_NETWORKD = 1 << 0,   /* networkd in place of NetworkManager */
        MACHINE_RESOLVED = 1 << 1,   /* needs fetch-packages to have run */
        MACHINE_OFFLINE = 1 << 2,    /* nothing configures wan0 and wan1 */
        MACHINE_OPENVPN = 1 << 3,    /* needs fetch-packages, too */
        MACHINE_STRONGSWAN = 1 << 4, /* likewise */
} MachineFlags;

/* All zero is a desktop with NetworkManager and without the project. */
typedef struct MachineOptions {
        MachineFlags flags;
        const char *install_from; /* meson build directory to install; NULL none */
        const char *const *binds; /* more directories to show inside, read-only; NULL-terminated */
        int (*prepare)(const char *root); /* last touch to the files before boot */
} MachineOptions;

typedef int (*MachineBody)(Machine *machine, int argc, char **argv, void *user);

typedef bool (*MachineCondition)(void *user);

/**
 * machine_main() - run @body as root in a booted machine
 *
 * The body may be a whole g_test_run(). Both links are up when it starts,
 * unless MACHINE_OFFLINE. Call it before starting threads.
 *
 * Return: what the body returned, 128 + signal, or EXIT_FAILURE when the
 * machine did not boot (the reason is on stderr).
 */
int machine_main(
        int argc, char **argv, const MachineOptions *options, MachineBody body, void *user);

Lab *machine_get_lab(Machine *machine);

/* The machine's system bus, opened at first use as root. */
GDBusConnection *machine_get_bus(Machine *machine);

/* Runs argv inside, as root. End with NULL. */
int machine_run(CommandResult *ret, ...) G_GNUC_NULL_TERMINATED;

/* Return: its stdout, to be freed by the caller. */
char *machine_run_ok(const char *program, ...) G_GNUC_NULL_TERMINATED;

/* Runs argv as a user without a session. */
int machine_spawn_as(uid_t uid, CommandResult *ret, ...) G_GNUC_NULL_TERMINATED;

/**
 * machine_session_open() - log a user in at seat0, as polkit's "active" needs
 * @ret_cgroup: directory of the session's scope; caller frees. A Command run
 *              in it belongs to the session.
 *
 * Return: 0; -ETIMEDOUT when logind or PAM refused (the journal says why).
 */
int machine_session_open(Machine *machine, const char *user, char **ret_cgroup);

/* Ends what machine_session_open() began. */
int machine_session_close(const char *user);

/**
 * machine_wait_until() - wait until @condition holds
 *
 * Asks again after every rtnetlink message, every signal on the machine's bus
 * and everything else that happens in the default main context.
 *
 * Return: whether it held before the deadline.
 */
bool machine_wait_until(Machine *machine, MachineCondition condition, void *user, int timeout_msec);

/**
 * machine_wait_for_text() - wait until a program inside prints @text
 *
 * Runs argv (end with NULL) again whenever machine_wait_until() would ask.
 *
 * Return: whether it did within MACHINE_WAIT_MSEC; else its last words are on
 * stderr.
 */
bool machine_wait_for_text(Machine *machine, const char *text, ...) G_GNUC_NULL_TERMINATED;

/* Both links have addresses and default routes, IPv4 and IPv6. */
bool machine_wait_online(Machine *machine);
