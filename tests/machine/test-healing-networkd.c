// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * systemd-networkd takes away routes and rules that it does not know. With our
 * drop-in it lets them be; without it we put them right. No packet goes astray
 * meanwhile.
 */

#include "tests/machine/healing.h"
#include "tests/machine/lib/capture.h"
#include "tests/machine/lib/flood.h"

#define SETTLE_ROUNDS 300 /* packets that are looked at after each disturbance */

/* Eyes on both ISPs' lines, and a flood that is to stay off them. */
typedef struct Watch {
        Capture *captures[2];
        Flood flood;
} Watch;

static const char *const disturbances[] = {
        "networkctl reconfigure wan0",
        "networkctl reconfigure wan1",
        "networkctl reload",
        "systemctl restart systemd-networkd.service",
};

/* Before the tunnel is set: the flood goes out by the ISP's line still, as is to be seen. */
static void watch_open(Watch *watch, Lab *lab) {
        for (int i = 0; i < 2; i++) {
                CHECK_OK(capture_start(
                        lab, i == 0 ? LAB_ISP0 : LAB_ISP1, "lan", &watch->captures[i]));
                CHECK_OK(capture_narrow(watch->captures[i], LAB_INTERNET_V4, LAB_INTERNET_V6));
        }
        flood_start(&watch->flood);
        flood_wait(&watch->flood, 1);
        g_assert_cmpint(capture_count(watch->captures[0], NULL, NULL), >, 0);
}

static void watch_close(Watch *watch) {
        for (int i = 0; i < 2; i++)
                (void)capture_stop(watch->captures[i]);
        flood_stop(&watch->flood);
}

/* Since the last look. */
static void watch_check(Watch *watch, const char *disturbance) {
        flood_wait(&watch->flood, SETTLE_ROUNDS);
        for (int i = 0; i < 2; i++) {
                int n = capture_count(watch->captures[i], NULL, NULL);

                if (n > 0)
                        capture_print(watch->captures[i]);
                if (n != 0)
                        g_error("%s: %d packets to the internet on the line of ISP %d", disturbance,
                                n, i);
        }
}

static void disturb_all(Healing *healing, Watch *watch) {
        for (int i = 0; i < 2; i++)
                CHECK_OK(capture_clear(watch->captures[i]));
        for (size_t i = 0; i < G_N_ELEMENTS(disturbances); i++) {
                g_test_message("%s", disturbances[i]);
                healing_disturb(disturbances[i]);
                g_assert_true(machine_wait_online(healing->machine));
                healing_check(healing);
                watch_check(watch, disturbances[i]);
        }
}

static void test_with_drop_in(Machine *machine) {
        Healing healing;
        Watch watch;

        watch_open(&watch, machine_get_lab(machine));
        healing_open(&healing, machine);
        disturb_all(&healing, &watch);
        watch_close(&watch);
        healing_close(&healing);
}

static void test_without_drop_in(Machine *machine) {
        Healing healing;
        Watch watch;

        healing_disturb("rm /usr/lib/systemd/networkd.conf.d/50-talpid.conf; systemctl restart "
                        "systemd-networkd.service");
        g_assert_true(machine_wait_online(machine));
        watch_open(&watch, machine_get_lab(machine));
        healing_open(&healing, machine);
        disturb_all(&healing, &watch);
        watch_close(&watch);
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
