/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * What the kernel says of nftables, as far as it is about our table; pure.
 *
 * See nf_tables_api.c: every object of a table names the table in attribute 1,
 * whatever the object is.
 */

#include <stdbool.h>
#include <stdint.h>

#include <linux/netlink.h>

#include "backends/base/array.h"

/* How a table of ours is recognised: later versions keep the first word. */
#define NFT_TABLE_COMMENT_FIRST "talpid: "
#define NFT_TABLE_COMMENT                                                                          \
        NFT_TABLE_COMMENT_FIRST "VPN guard and split tunnelling, written whole by the service"

typedef struct NftTableInfo {
        uint64_t handle; /* a new one for each table ever made */
        bool is_ours;    /* carries our comment, and no other program holds it */
        uint32_t holder; /* netlink port that alone may change it (`flags owner`); 0: none */
} NftTableInfo;

/* Return: 1 @nlh is a table of the name and family of ours; 0 something else; -EBADMSG. */
int nft_message_decode_table(const struct nlmsghdr *nlh, NftTableInfo *ret);

/* Return: 1 @nlh is the number of the current ruleset, never 0; 0 something else; -EBADMSG. */
int nft_message_decode_generation(const struct nlmsghdr *nlh, uint32_t *ret);

/* Whether the notification @nlh tells of a change in our table. */
bool nft_message_is_about_us(const struct nlmsghdr *nlh);

/* Requests, in @buffer, which they start at: our table, and the number of the ruleset. */
#define NFT_REQUEST_MAX 128
struct nlmsghdr *nft_message_get_table(char buffer[static NFT_REQUEST_MAX]);
struct nlmsghdr *nft_message_get_generation(char buffer[static NFT_REQUEST_MAX]);

/* Elements of @set of our table; of a set of cgroup2 groups, their numbers. */
struct nlmsghdr *nft_message_get_elements(char buffer[static NFT_REQUEST_MAX], const char *set);
/* Adds the numbers that @nlh tells of to @ids (uint64_t). Return: 0; -ENOMEM; -EBADMSG. */
int nft_message_decode_groups(const struct nlmsghdr *nlh, Array *ids);
