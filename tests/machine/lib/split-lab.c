// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/machine/lib/split-lab.h"

#include <string.h>

#include "tests/machine/lib/split.h"

static const char *const mechanism_names[SPLIT_N_MECHANISMS] = {
        [SPLIT_BPF] = "bpf",
        [SPLIT_NFTABLES] = "nftables",
        [SPLIT_NET_CLS] = "net_cls",
};

const char *split_mechanism_name(SplitMechanism mechanism) {
        return mechanism_names[mechanism];
}

static SplitMechanism find_mechanism(Client *client) {
        g_autofree char *name = split_mechanism(client);

        for (SplitMechanism i = 0; i < SPLIT_N_MECHANISMS; i++)
                if (strcmp(name, mechanism_names[i]) == 0)
                        return i;
        g_error("no such mechanism: '%s'", name);
}

void split_lab_open_bare(SplitLab *s, Machine *machine) {
        g_autoptr(GVariant) mark = NULL;

        *s = (SplitLab){ .machine = machine, .lab = machine_get_lab(machine) };
        s->client = client_new(machine);
        s->mechanism = find_mechanism(s->client);
        mark = client_property(s->client, "Mark");
        s->mark = g_variant_get_uint32(mark);
        ways_open(&s->ways, s->lab);
}

void split_lab_open(SplitLab *s, Machine *machine) {
        split_lab_open_bare(s, machine);
        CHECK_OK(lab_tunnel_up(s->lab, "wg0", s->mark));
        g_variant_unref(client_call_ok(s->client, "SetTunnel", "('wg0', " CLIENT_NO_OPTIONS ")"));
        check_answers(LAB_RELAY_V4, LAB_RELAY_V6);
        ways_watch(&s->ways, "wg0");
        (void)ways_look(&s->ways);
}

void split_lab_close_bare(SplitLab *s) {
        ways_close(&s->ways);
        split_forget_all(s->client);
        s->client = client_free(s->client);
        check_answers(LAB_ISP0_V4, LAB_ISP0_V6);
}

void split_lab_close(SplitLab *s) {
        ways_watch(&s->ways, NULL);
        g_variant_unref(client_call_ok(s->client, "UnsetTunnel", "(" CLIENT_NO_OPTIONS ",)"));
        (void)lab_tunnel_down(s->lab, "wg0"); /* some tests took it away */
        split_lab_close_bare(s);
}
