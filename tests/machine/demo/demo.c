// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * The main job, shown in a machine of its own: claims on the left, the proof
 * beside each. Ends with an error if one does not hold. "demo shell" gives a
 * shell there instead, with first steps to type; test-printed runs these.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/machine/demo/parts.h"

/* Answers of the internet end no line. */
#define SHELL "PS1='\\n\\u@\\h# ' exec bash --norc -i"

#define FIRST_STEPS SOURCE_DIR "/tests/machine/demo/first-steps"

/* As the package of nss-resolve would have it. */
static const char nsswitch[] = "passwd: files\ngroup: files\nshadow: files\n"
                               "hosts: files resolve [!UNAVAIL=return] dns\n";

static int prepare(const char *root) {
        g_autofree char *path = g_build_filename(root, "etc/nsswitch.conf", NULL);

        if (!g_file_set_contents(path, nsswitch, -1, NULL))
                return -EIO;
        return client_prepare(root);
}

/* Does not return when it works. */
static int become_shell(Machine *machine) {
        Client *client = client_new(machine);
        g_autoptr(GVariant) mark = client_property(client, "Mark");
        g_autofree char *steps = NULL;

        (void)client_free(client);
        if (lab_tunnel_up(machine_get_lab(machine), "wg0", g_variant_get_uint32(mark)) < 0 ||
                !g_file_get_contents(FIRST_STEPS, &steps, NULL, NULL))
                return EXIT_FAILURE;
        (void)printf("A root shell on it, with a WireGuard tunnel wg0 that nothing goes through "
                     "yet. Try:\n%s\nWhen you leave, the machine is gone.\n",
                strchr(steps, '\n'));
        (void)fflush(stdout);
        /* A terminal of its own: that of the outer machine is another process tree's. */
        if (isatty(STDIN_FILENO))
                (void)execlp("script", "script", "-qec", SHELL, "/dev/null", NULL);
        (void)execlp("sh", "sh", "-c", SHELL, NULL);
        return EXIT_FAILURE;
}

static int run(Machine *machine, int argc, char **argv, void *user) {
        Demo demo = { .machine = machine, .lab = machine_get_lab(machine) };

        if (argc > 1 && g_str_equal(argv[1], "shell"))
                return become_shell(machine);
        demo.client = client_new(machine);
        show_routing(&demo);
        show_split(&demo);
        demo.client = client_free(demo.client);
        (void)printf("\n%s\n", demo.n_wrong ? "Something did not hold." : "All of it held.");
        return demo.n_wrong ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv) {
        (void)printf("Booting a machine of its own; your network is left alone. Its internet "
                     "answers with the\naddress that it was asked from: " LAB_ISP0_V4
                     " is the first ISP's, " LAB_ISP1_V4 " the second's,\n" LAB_RELAY_V4
                     " that of the VPN's relay.\n");
        (void)fflush(stdout);
        return machine_main(argc, argv,
                &(MachineOptions){ .flags = MACHINE_RESOLVED,
                        .install_from = g_getenv("TALPID_BUILD_DIR") ?: BUILD_DIR,
                        .binds = (const char *const[]){ SOURCE_DIR, NULL },
                        .prepare = prepare },
                run, NULL);
}
