// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * systemd-networkd takes away routes and rules that it does not know. With our
 * drop-in it lets them be; without it we put them right.
 */

#include "tests/machine/healing.h"

static const char *const disturbances[] = {
        "networkctl reconfigure wan0",
        "networkctl reconfigure wan1",
        "networkctl reload",
        "systemctl restart systemd-networkd.service",
};

static void disturb_all(Healing *healing) {
        for (size_t i = 0; i < G_N_ELEMENTS(disturbances); i++) {
                g_test_message("%s", disturbances[i]);
                healing_disturb(disturbances[i]);
                g_assert_true(machine_wait_online(healing->machine));
                healing_check(healing);
        }
}

static void test_with_drop_in(Machine *machine) {
        Healing healing;

        healing_open(&healing, machine);
        disturb_all(&healing);
        healing_close(&healing);
}

static void test_without_drop_in(Machine *machine) {
        Healing healing;

        healing_disturb("rm /usr/lib/systemd/networkd.conf.d/50-talpid.conf; systemctl restart "
                        "systemd-networkd.service");
        g_assert_true(machine_wait_online(machine));
        healing_open(&healing, machine);
        disturb_all(&healing);
        healing_close(&healing);
}

static const CheckCase cases[] = {
        { "/healing/networkd-with-our-drop-in-disturbs-nothing-for-long", test_with_drop_in },
        { "/healing/networkd-that-removes-foreign-routes-and-rules-is-put-right",
                test_without_drop_in },
};

int main(int argc, char **argv) {
        return CHECK_MAIN(argc, argv, cases, .flags = MACHINE_NETWORKD, .install_from = BUILD_DIR,
                .prepare = client_prepare);
}
