// SPDX-License-Identifier: GPL-3.0-or-later

/* Every resolver of the lab answers for who.test with an address of its own. */

#include <string.h>

#include "tests/machine/demo/parts.h"
#include "tests/machine/demo/script.h"

typedef struct Question {
        const char *claim;
        const char *command;
        const char *answered_as; /* what the program takes for the answer's source */
        bool needs_bpf;
} Question;

#define QUESTION(kind, server) PROGRAM " question " kind " " server " who.test A", " from " server

/* The machine's applications know two servers: the tunnel's own, and resolved's stub. */
static const Question questions[] = {
        { "UDP to the tunnel's resolver, IPv4", QUESTION("udp", LAB_TUNNEL_RELAY_V4) },
        { "TCP to the tunnel's resolver, IPv4", QUESTION("tcp", LAB_TUNNEL_RELAY_V4) },
        { "UDP to the tunnel's resolver, IPv6", QUESTION("udp", LAB_TUNNEL_RELAY_V6) },
        { "TCP to the tunnel's resolver, IPv6", QUESTION("tcp", LAB_TUNNEL_RELAY_V6) },
        { "UDP to resolved's stub", QUESTION("udp", "127.0.0.53") },
        { "TCP to resolved's stub", QUESTION("tcp", "127.0.0.53") },
        { "getent, by nss-resolve", "getent ahostsv4 who.test | head -n1 | cut -d' ' -f1", "",
                true },
};

static void show_question(Demo *demo, const Question *question) {
        g_autofree char *excluded = g_strdup_printf("talpid-exclude %s", question->command);
        g_autofree char *by_isp = g_strconcat(LAB_ISP0_LAN_V4, question->answered_as, NULL);
        g_autofree char *by_relay = g_strconcat(LAB_TUNNEL_RELAY_V4, question->answered_as, NULL);
        g_autofree char *around = show_run(excluded);
        g_autofree char *through = show_run(question->command);

        show(demo, strcmp(around, by_isp) == 0 && strcmp(through, by_relay) == 0, question->claim,
                "%s; not excluded: %s", around[0] ? around : "nothing",
                through[0] ? through : "nothing");
}

void show_names(Demo *demo) {
        show_heading("who.test is whoever answers: " LAB_ISP0_LAN_V4
                     " the ISP's resolver, " LAB_TUNNEL_RELAY_V4 " the tunnel's");
        for (size_t i = 0; i < G_N_ELEMENTS(questions); i++) {
                if (questions[i].needs_bpf && !demo->by_bpf)
                        show_limit(questions[i].claim);
                else
                        show_question(demo, &questions[i]);
        }
}
