// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/facts/prefix.h"

#include <errno.h>
#include <glib.h>
#include <string.h>
#include <sys/socket.h>

static Prefix parse(const char *text) {
        Prefix prefix;

        g_assert_cmpint(prefix_parse(text, &prefix), ==, 0);
        return prefix;
}

static void test_reads_and_writes(void) {
        static const char *const cases[][2] = {
                { "0.0.0.0/0", "0.0.0.0/0" },
                { "10.0.0.0/8", "10.0.0.0/8" },
                { "192.0.2.128/25", "192.0.2.128/25" },
                { "192.0.2.1", "192.0.2.1/32" },
                { "::/0", "::/0" },
                { "fd00::/8", "fd00::/8" },
                { "2001:DB8:0:0:0:0:0:1", "2001:db8::1/128" },
                { "8000::/1", "8000::/1" },
        };
        char text[PREFIX_TEXT_MAX];

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                Prefix prefix = parse(cases[i][0]);

                g_assert_cmpstr(prefix_format(&prefix, text), ==, cases[i][1]);
        }
}

static void test_refuses_what_is_no_prefix(void) {
        static const char *const cases[] = { "", "/", "/8", "10.0.0.0/", "10.0.0.0/33",
                "10.0.0.0/-1", "10.0.0.0/+8", "10.0.0.0/8 ", " 10.0.0.0/8", "10.0.0.0/8x",
                "10.0.0.0/8/8", "10.0/8", "10.0.0.256/32", "::/129", "fe80::1%eth0",
                "fe80::1%eth0/64", "example.org", "10.0.0.0/4294967304",
                "10.0.0.0/18446744073709551624", ":::/0", "1:2:3:4:5:6:7:8:9/128",
                "10.0.0.0/255.0.0.0" };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                Prefix prefix = { .family = 99 };

                if (prefix_parse(cases[i], &prefix) != -EINVAL)
                        g_error("\"%s\" is taken", cases[i]);
                g_assert_cmpuint(prefix.family, ==, 99); /* untouched */
        }
}

static void test_refuses_host_bits(void) {
        static const char *const cases[] = { "10.0.0.1/8", "0.0.0.1/0", "192.0.2.1/31", "fd00::1/8",
                "2001:db8::8000:0:0:0/64", "::1/0" };
        Prefix prefix;

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
                g_assert_cmpint(prefix_parse(cases[i], &prefix), ==, -ERANGE);
}

static void test_long_text_is_refused(void) {
        char text[4096];
        Prefix prefix;

        memset(text, '1', sizeof(text) - 1);
        text[sizeof(text) - 1] = '\0';
        g_assert_cmpint(prefix_parse(text, &prefix), ==, -EINVAL);
        memset(text, ':', sizeof(text) - 1);
        g_assert_cmpint(prefix_parse(text, &prefix), ==, -EINVAL);
}

static void test_cuts_host_bits(void) {
        Prefix prefix;
        Address address;
        char text[PREFIX_TEXT_MAX];

        g_assert_cmpint(address_parse("255.255.255.255", &address), ==, 0);
        for (unsigned length = 0; length <= 32; length++) {
                uint32_t bits = length == 0 ? 0 : UINT32_MAX << (32 - length);

                prefix = prefix_of_address(&address, length);
                for (unsigned i = 0; i < 4; i++)
                        g_assert_cmpuint(prefix.bytes[i], ==, (bits >> (24 - 8 * i)) & 0xff);
        }
        g_assert_cmpint(address_parse("2001:db8:ffff:ffff:ffff::", &address), ==, 0);
        prefix = prefix_of_address(&address, 33);
        g_assert_cmpstr(prefix_format(&prefix, text), ==, "2001:db8:8000::/33");
}

static void test_contains_and_covers(void) {
        Prefix ten = parse("10.0.0.0/8"), part = parse("10.9.0.0/16"), all = parse("0.0.0.0/0"),
               all6 = parse("::/0"), mapped = parse("::ffff:10.0.0.0/104");
        Address inside, outside;

        g_assert_cmpint(address_parse("10.255.255.255", &inside), ==, 0);
        g_assert_cmpint(address_parse("11.0.0.0", &outside), ==, 0);
        g_assert_true(prefix_contains(&ten, &inside));
        g_assert_false(prefix_contains(&ten, &outside));
        g_assert_true(prefix_contains(&all, &outside));
        g_assert_false(prefix_contains(&all6, &outside));
        g_assert_true(prefix_covers(&ten, &part));
        g_assert_true(prefix_covers(&ten, &ten));
        g_assert_false(prefix_covers(&part, &ten));
        g_assert_true(prefix_covers(&all, &ten));
        g_assert_false(prefix_covers(&all6, &ten));
        g_assert_false(prefix_covers(&mapped, &ten));
}

static void test_private_space_is_exactly_that(void) {
        static const char *const private[] = { "10.0.0.0/8", "10.1.2.3", "172.16.0.0/12",
                "172.31.255.255", "192.168.0.0/16", "169.254.7.0/24", "fc00::/7", "fd12::/48",
                "fe80::/10", "fe80::1" };
        static const char *const public[] = { "0.0.0.0/0", "10.0.0.0/7", "172.0.0.0/11",
                "172.32.0.0/12", "192.169.0.0/16", "192.168.0.0/15", "100.64.0.0/10", "8.8.8.8",
                "127.0.0.0/8", "224.0.0.0/4", "::/0", "2001:db8::/32", "fe00::/7", "fec0::/10",
                "ff02::/16", "::1", "::ffff:10.0.0.0/104" };

        for (size_t i = 0; i < G_N_ELEMENTS(private); i++) {
                Prefix prefix = parse(private[i]);

                g_assert_true(prefix_is_private(&prefix));
        }
        for (size_t i = 0; i < G_N_ELEMENTS(public); i++) {
                Prefix prefix = parse(public[i]);

                g_assert_false(prefix_is_private(&prefix));
        }
}

static void test_round_trip_of_random_prefixes(void) {
        for (unsigned i = 0; i < 20000; i++) {
                Address address = { .family = g_test_rand_bit() ? AF_INET : AF_INET6 };
                Prefix prefix, again;
                char text[PREFIX_TEXT_MAX];

                for (unsigned k = 0; k < family_size_bytes(address.family); k++)
                        address.bytes[k] = g_test_rand_bit() ? (uint8_t)g_test_rand_int() : 0;
                prefix = prefix_of_address(
                        &address, (unsigned)g_test_rand_int_range(
                                          0, (int)family_size_bits(address.family) + 1));
                again = parse(prefix_format(&prefix, text));
                g_assert_cmpint(prefix_compare(&prefix, &again), ==, 0);
                g_assert_true(prefix_contains(&prefix, &address));
        }
}

static void test_addresses_have_no_length(void) {
        static const char *const cases[] = { "", "10.0.0.1/32", "fe80::1%lo", "::1/128", "1",
                "01.2.3.4" };
        Address address;
        char text[ADDRESS_TEXT_MAX];

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
                g_assert_cmpint(address_parse(cases[i], &address), ==, -EINVAL);
        address = (Address){ 0 };
        g_assert_cmpstr(address_format(&address, text), ==, "");
        g_assert_false(address_is_set(&address));
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);

        g_test_add_func("/prefix/reads-and-writes", test_reads_and_writes);
        g_test_add_func("/prefix/refuses-what-is-no-prefix", test_refuses_what_is_no_prefix);
        g_test_add_func("/prefix/refuses-host-bits", test_refuses_host_bits);
        g_test_add_func("/prefix/long-text-is-refused", test_long_text_is_refused);
        g_test_add_func("/prefix/cuts-host-bits", test_cuts_host_bits);
        g_test_add_func("/prefix/contains-and-covers", test_contains_and_covers);
        g_test_add_func(
                "/prefix/private-space-is-exactly-that", test_private_space_is_exactly_that);
        g_test_add_func(
                "/prefix/round-trip-of-random-prefixes", test_round_trip_of_random_prefixes);
        g_test_add_func("/prefix/addresses-have-no-length", test_addresses_have_no_length);
        return g_test_run();
}
