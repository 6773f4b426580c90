// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/machine/lib/told.h"

#include <string.h>

static const char *const properties[] = {
        "State",
        "DefaultRoute4",
        "DefaultRoute6",
        "Tunnel",
        "Conflicts",
};

G_STATIC_ASSERT(G_N_ELEMENTS(properties) == TOLD_PROPERTIES_MAX);

static void forget(Told *told) {
        for (size_t i = 0; i < G_N_ELEMENTS(properties); i++)
                g_clear_pointer(&told->values[i], g_variant_unref);
}

void told_read(Told *told) {
        forget(told);
        for (size_t i = 0; i < G_N_ELEMENTS(properties); i++)
                told->values[i] = client_property(told->client, properties[i]);
}

void told_open(Told *told, Machine *machine, Client *client) {
        *told = (Told){ .machine = machine, .client = client };
        told_read(told);
}

void told_close(Told *told) {
        forget(told);
}

static void take(Told *told, GVariant *arguments) {
        g_autoptr(GVariant) changed = g_variant_get_child_value(arguments, 1);

        for (size_t i = 0; i < G_N_ELEMENTS(properties); i++) {
                GVariant *value = g_variant_lookup_value(changed, properties[i], NULL);

                if (!value)
                        continue;
                g_variant_unref(told->values[i]);
                told->values[i] = value;
        }
}

/* Return: the first property of which something else was told than is there; NULL. */
static const char *find_untold(Told *told) {
        GVariant *arguments;
        const char *signal;

        client_sync(told->client);
        for (unsigned i = 0; (signal = client_heard(told->client, i, &arguments)); i++)
                if (strcmp(signal, "PropertiesChanged") == 0)
                        take(told, arguments);
        for (size_t i = 0; i < G_N_ELEMENTS(properties); i++) {
                g_autoptr(GVariant) now = client_property(told->client, properties[i]);

                if (!g_variant_equal(now, told->values[i]))
                        return properties[i];
        }
        return NULL;
}

static bool is_told(void *user) {
        return !find_untold(user);
}

void told_check(Told *told, const char *step) {
        if (!machine_wait_until(told->machine, is_told, told, MACHINE_WAIT_MSEC))
                g_error("%s: the change of %s was not told", step, find_untold(told) ?: "nothing");
}
