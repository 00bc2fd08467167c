/* SPDX-License-Identifier: Apache-2.0 */
/* Type OID → value_class, width of integers: built-in types have fixed numbers
 * (src/include/catalog/pg_type.dat). */
#include "proto/postgres_int.h"

#include <stdlib.h>

struct pg_type {
	uint32_t oid;
	enum value_class class;
};

/* Ascending. What is not here is VALUE_OTHER: types of users, geometry, system catalogs' own. */
static const struct pg_type pg_types[] = {
	{16, VALUE_BOOL},
	{17, VALUE_BYTES},
	{18, VALUE_TEXT},
	{19, VALUE_TEXT},
	{20, VALUE_INT},
	{21, VALUE_INT},
	{22, VALUE_ARRAY},
	{23, VALUE_INT},
	{25, VALUE_TEXT},
	{26, VALUE_INT},
	{30, VALUE_ARRAY},
	{114, VALUE_JSON},
	{142, VALUE_TEXT},
	{143, VALUE_ARRAY},
	{199, VALUE_ARRAY},
	{650, VALUE_NET},
	{651, VALUE_ARRAY},
	{700, VALUE_NUMBER},
	{701, VALUE_NUMBER},
	{705, VALUE_TEXT},
	{774, VALUE_NET},
	{775, VALUE_ARRAY},
	{790, VALUE_NUMBER},
	{791, VALUE_ARRAY},
	{829, VALUE_NET},
	{869, VALUE_NET},
	{1000, VALUE_ARRAY},
	{1001, VALUE_ARRAY},
	{1002, VALUE_ARRAY},
	{1003, VALUE_ARRAY},
	{1005, VALUE_ARRAY},
	{1006, VALUE_ARRAY},
	{1007, VALUE_ARRAY},
	{1009, VALUE_ARRAY},
	{1014, VALUE_ARRAY},
	{1015, VALUE_ARRAY},
	{1016, VALUE_ARRAY},
	{1021, VALUE_ARRAY},
	{1022, VALUE_ARRAY},
	{1028, VALUE_ARRAY},
	{1040, VALUE_ARRAY},
	{1041, VALUE_ARRAY},
	{1042, VALUE_TEXT},
	{1043, VALUE_TEXT},
	{1082, VALUE_TIME},
	{1083, VALUE_TIME},
	{1114, VALUE_TIME},
	{1115, VALUE_ARRAY},
	{1182, VALUE_ARRAY},
	{1183, VALUE_ARRAY},
	{1184, VALUE_TIME},
	{1185, VALUE_ARRAY},
	{1186, VALUE_TIME},
	{1187, VALUE_ARRAY},
	{1231, VALUE_ARRAY},
	{1263, VALUE_ARRAY},
	{1266, VALUE_TIME},
	{1270, VALUE_ARRAY},
	{1700, VALUE_NUMBER},
	{2249, VALUE_ARRAY},
	{2275, VALUE_TEXT},
	{2287, VALUE_ARRAY},
	{2950, VALUE_UUID},
	{2951, VALUE_ARRAY},
	{3802, VALUE_JSON},
	{3807, VALUE_ARRAY},
	{3904, VALUE_ARRAY},
	{3905, VALUE_ARRAY},
	{3906, VALUE_ARRAY},
	{3907, VALUE_ARRAY},
	{3908, VALUE_ARRAY},
	{3909, VALUE_ARRAY},
	{3910, VALUE_ARRAY},
	{3911, VALUE_ARRAY},
	{3912, VALUE_ARRAY},
	{3913, VALUE_ARRAY},
	{3926, VALUE_ARRAY},
	{3927, VALUE_ARRAY},
	{4451, VALUE_ARRAY},
	{4532, VALUE_ARRAY},
	{4533, VALUE_ARRAY},
	{4534, VALUE_ARRAY},
	{4535, VALUE_ARRAY},
	{4536, VALUE_ARRAY},
};

static int pg_type_compare(const void *key, const void *row)
{
	uint32_t a = *(const uint32_t *)key, b = ((const struct pg_type *)row)->oid;

	return a < b ? -1 : a > b;
}

enum value_class pg_type_class(uint32_t oid)
{
	const struct pg_type *t = bsearch(&oid, pg_types, sizeof(pg_types) / sizeof(pg_types[0]),
		sizeof(pg_types[0]), pg_type_compare);

	return t ? t->class : VALUE_OTHER;
}

uint8_t pg_type_width(uint32_t oid)
{
	switch (oid) {
	case 20:
		return 8;
	case 21:
		return 2;
	case 23:
	case 26:
		return 4;
	}
	return 0;
}
