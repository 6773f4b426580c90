// SPDX-License-Identifier: GPL-3.0-or-later

#include "tests/machine/lib/sleep.h"

#include "tests/machine/lib/check.h"

#define LOGIN1 "org.freedesktop.login1"
#define HOOK "/usr/lib/systemd/system-sleep/test"

/* Hook and test meet at two pipes: the machine's sleep begins and ends there. */
static const char prepare[] =
        "test ! -e " HOOK " || exit 0\n"
        "printf 'freeze mem\\n' >/run/power-state\n"
        "mount --bind /run/power-state /sys/power/state\n"
        "mkfifo /run/asleep /run/awake\n"
        "mkdir -p " HOOK "\n"
        "rmdir " HOOK "\n"
        "printf '%s\\n' '#!/bin/sh' '[ \"$1\" = pre ] || exit 0' 'echo >/run/asleep' "
        "'read line </run/awake' >" HOOK "\n"
        "chmod 755 " HOOK "\n"
        "systemctl restart systemd-logind\n";

static void run(const char *script) {
        g_free(machine_run_ok("sh", "-euc", script, NULL));
}

void fall_asleep(Machine *machine) {
        g_autofree char *state = NULL;

        run(prepare);
        state = machine_run_ok("findmnt", "-no", "SOURCE", "/sys/power/state", NULL);
        g_assert_nonnull(g_strrstr(state, "power-state")); /* never this kernel's own */
        run("busctl call " LOGIN1 " /org/freedesktop/login1 " LOGIN1 ".Manager Suspend b false; "
            "read line </run/asleep");
}

void wake_up(void) {
        run("echo >/run/awake");
}
