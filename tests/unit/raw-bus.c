// SPDX-License-Identifier: GPL-3.0-or-later

#include "tests/unit/raw-bus.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* What a server answers to AUTH EXTERNAL, DATA and BEGIN: D-Bus specification, "Authentication". */
#define GREETING "DATA\r\nOK 0123456789abcdef0123456789abcdef\r\n"

struct RawBus {
        int fd; /* the peer's end; −1 while closed */
        sd_bus *bus;
        sd_bus_message *last;
};

static int on_message(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        RawBus *raw = userdata;

        sd_bus_message_unref(raw->last);
        raw->last = sd_bus_message_ref(message);
        return 1;
}

static void raw_close(RawBus *raw) {
        sd_bus_close(raw->bus);
        raw->bus = sd_bus_unref(raw->bus);
        if (raw->fd >= 0)
                (void)close(raw->fd);
        raw->fd = -1;
}

static void raw_open(RawBus *raw) {
        int fds[2], r;

        r = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds);
        g_assert_cmpint(r, >=, 0);
        g_assert_cmpint(sd_bus_new(&raw->bus), >=, 0);
        g_assert_cmpint(sd_bus_set_fd(raw->bus, fds[0], fds[0]), >=, 0);
        g_assert_cmpint(sd_bus_negotiate_fds(raw->bus, 0), >=, 0);
        g_assert_cmpint(sd_bus_add_filter(raw->bus, NULL, on_message, raw), >=, 0);
        g_assert_cmpint(write(fds[1], GREETING, strlen(GREETING)), >, 0);
        g_assert_cmpint(sd_bus_start(raw->bus), >=, 0);
        raw->fd = fds[1];
        while (sd_bus_is_ready(raw->bus) == 0)
                g_assert_cmpint(sd_bus_process(raw->bus, NULL), >=, 0);
}

RawBus *raw_bus_new(void) {
        RawBus *raw = g_new0(RawBus, 1);

        raw->fd = -1;
        return raw;
}

RawBus *raw_bus_free(RawBus *raw) {
        if (!raw)
                return NULL;
        sd_bus_message_unref(raw->last);
        raw_close(raw);
        g_free(raw);
        return NULL;
}

/* Return: the message, to be unreferenced by the caller; NULL when sd-bus itself refused it. */
static sd_bus_message *deliver(RawBus *raw, const uint8_t *bytes, size_t n_bytes) {
        sd_bus_message *message;
        size_t n_sent = 0;
        int r = 1;

        if (!raw->bus)
                raw_open(raw);
        while (!raw->last && r >= 0 && (n_sent < n_bytes || r > 0)) {
                ssize_t n = send(raw->fd, bytes + n_sent, n_bytes - n_sent, MSG_NOSIGNAL);

                if (n > 0)
                        n_sent += (size_t)n;
                r = sd_bus_process(raw->bus, NULL);
        }
        message = g_steal_pointer(&raw->last);
        /* A length that lies leaves the rest in the pipe: the next message begins anew. */
        if (!message || n_sent < n_bytes || sd_bus_process(raw->bus, NULL) < 0 || raw->last) {
                raw->last = sd_bus_message_unref(raw->last);
                raw_close(raw);
        }
        return message;
}

GBytes *raw_bus_signal(const char *path, const char *type, const char *text) {
        g_autoptr(GDBusMessage) message = g_dbus_message_new_signal(path, "a.b", "C");
        g_autoptr(GError) error = NULL;
        GVariant *body = g_variant_parse(G_VARIANT_TYPE(type), text, NULL, NULL, &error);
        guchar *bytes;
        gsize n_bytes;

        g_assert_no_error(error);
        g_dbus_message_set_sender(message, ":1.5");
        g_dbus_message_set_serial(message, 1);
        g_dbus_message_set_body(message, body);
        g_variant_unref(body);
        bytes = g_dbus_message_to_blob(message, &n_bytes, G_DBUS_CAPABILITY_FLAGS_NONE, &error);
        g_assert_no_error(error);
        return g_bytes_new_take(bytes, n_bytes);
}

sd_bus_message *raw_bus_say(RawBus *raw, const char *path, const char *type, const char *text) {
        g_autoptr(GBytes) bytes = raw_bus_signal(path, type, text);
        sd_bus_message *message;

        message = deliver(raw, g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes));
        g_assert_nonnull(message);
        return message;
}

static void mutate(GRand *rand, uint8_t *bytes, size_t n_bytes) {
        static const uint8_t odd[] = { 0, 1, 0x7f, 0x80, 0xff, 'a', 'v', '(', '{' };
        size_t at = (size_t)g_rand_int_range(rand, 0, (gint32)n_bytes);

        switch (g_rand_int_range(rand, 0, 3)) {
        case 0:
                bytes[at] ^= (uint8_t)(1u << g_rand_int_range(rand, 0, 8));
                break;
        case 1:
                bytes[at] = odd[g_rand_int_range(rand, 0, sizeof(odd))];
                break;
        default:
                bytes[at] = bytes[g_rand_int_range(rand, 0, (gint32)n_bytes)];
        }
}

unsigned raw_bus_mutate(RawBus *raw, GBytes *seed, unsigned n,
        void (*heed)(sd_bus_message *message, void *userdata), void *userdata) {
        GRand *rand = g_rand_new_with_seed(42);
        unsigned n_through = 0;

        for (unsigned i = 0; i < n; i++) {
                g_autoptr(sd_bus_message) message = NULL;
                gsize n_bytes = g_bytes_get_size(seed);
                g_autofree uint8_t *bytes = g_memdup2(g_bytes_get_data(seed, NULL), n_bytes);
                int n_changes = g_rand_int_range(rand, 1, 4);

                /* The first sixteen bytes are lengths that sd-bus checks; the rest is ours. */
                while (n_changes-- > 0)
                        mutate(rand, bytes + 16, n_bytes - 16);
                message = deliver(raw, bytes, n_bytes);
                if (!message)
                        continue;
                heed(message, userdata);
                n_through++;
        }
        g_rand_free(rand);
        return n_through;
}
