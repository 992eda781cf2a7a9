/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Character sets of row images to UTF-8. A set with one byte a character becomes a table of 256
 * entries; the others go through iconv. Broken input gives ? as the server's own
 * conversion does, and is counted; it never stops a stream.
 */
#include "value.h"

#include <errno.h>
#include <iconv.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct drip_my_charset {
	struct drip_my_charset *next;
	char name[DRIP_MY_CHARSET_MAX];
	bool single;           /* table below, otherwise `iconv` */
	bool ascii;            /* bytes below 0x80 are themselves */
	uint8_t bytes[256][4]; /* UTF-8 of each byte, the length in the fourth */
	iconv_t iconv;
};

/* MySQL's name and iconv's. latin1 is Windows-1252, with the five gaps as C1 controls. */
static const char *const iconv_names[][2] = {
	{"latin1", "CP1252"},      {"latin2", "ISO-8859-2"},  {"latin5", "ISO-8859-9"},
	{"latin7", "ISO-8859-13"}, {"greek", "ISO-8859-7"},   {"hebrew", "ISO-8859-8"},
	{"tis620", "TIS-620"},     {"koi8r", "KOI8-R"},       {"koi8u", "KOI8-U"},
	{"cp1250", "CP1250"},      {"cp1251", "CP1251"},      {"cp1256", "CP1256"},
	{"cp1257", "CP1257"},      {"cp850", "CP850"},        {"cp852", "CP852"},
	{"cp866", "CP866"},        {"macroman", "MACINTOSH"}, {"macce", "MAC-CENTRALEUROPE"},
	{"armscii8", "ARMSCII-8"}, {"hp8", "HP-ROMAN8"},      {"geostd8", "GEORGIAN-PS"},
	{"gbk", "CP936"},          {"gb2312", "GB2312"},      {"gb18030", "GB18030"},
	{"big5", "BIG5"},          {"sjis", "SHIFT_JIS"},     {"cp932", "CP932"},
	{"ujis", "EUC-JP"},        {"eucjpms", "EUC-JP-MS"},  {"euckr", "EUC-KR"},
	{"ucs2", "UCS-2BE"},       {"utf16", "UTF-16BE"},     {"utf16le", "UTF-16LE"},
	{"utf32", "UTF-32BE"},
};

static const char *iconv_name(const char *name)
{
	for (size_t i = 0; i < sizeof(iconv_names) / sizeof(iconv_names[0]); i++) {
		if (strcasecmp(iconv_names[i][0], name) == 0) {
			return iconv_names[i][1];
		}
	}
	return NULL;
}

static bool is_utf8(const char *name)
{
	return name[0] == '\0' || strcasecmp(name, "utf8mb4") == 0 ||
	       strcasecmp(name, "utf8mb3") == 0 || strcasecmp(name, "utf8") == 0 ||
	       strcasecmp(name, "ascii") == 0 || strcasecmp(name, "binary") == 0;
}

static void set_code_point(uint8_t entry[4], uint32_t cp)
{
	if (cp < 0x80) {
		entry[0] = (uint8_t)cp;
		entry[3] = 1;
	} else if (cp < 0x800) {
		entry[0] = (uint8_t)(0xc0 | cp >> 6);
		entry[1] = (uint8_t)(0x80 | (cp & 0x3f));
		entry[3] = 2;
	} else {
		entry[0] = (uint8_t)(0xe0 | cp >> 12);
		entry[1] = (uint8_t)(0x80 | (cp >> 6 & 0x3f));
		entry[2] = (uint8_t)(0x80 | (cp & 0x3f));
		entry[3] = 3;
	}
}

static void fill_table(struct drip_my_charset *cs)
{
	bool latin1 = strcasecmp(cs->name, "latin1") == 0;

	cs->ascii = true;
	for (int byte = 0; byte < 256; byte++) {
		char in = (char)byte, out[8];
		char *from = &in, *to = out;
		size_t in_left = 1, out_left = sizeof(out);

		iconv(cs->iconv, NULL, NULL, NULL, NULL);
		if (iconv(cs->iconv, &from, &in_left, &to, &out_left) != (size_t)-1 &&
		    sizeof(out) - out_left <= 3) {
			cs->bytes[byte][3] = (uint8_t)(sizeof(out) - out_left);
			memcpy(cs->bytes[byte], out, sizeof(out) - out_left);
		} else {
			set_code_point(cs->bytes[byte], latin1 ? (uint32_t)byte : '?');
		}
		if (byte < 0x80 && (cs->bytes[byte][3] != 1 || cs->bytes[byte][0] != byte)) {
			cs->ascii = false;
		}
	}
}

int drip_my_charset_get(struct drip_my_values *v, const char *name, struct drip_my_charset **ret,
			struct drip_error *err)
{
	struct drip_my_charset *cs;
	const char *foreign;

	*ret = NULL;
	if (is_utf8(name)) {
		return 0;
	}
	for (cs = v->charsets; cs != NULL; cs = cs->next) {
		if (strcasecmp(cs->name, name) == 0) {
			*ret = cs;
			return 0;
		}
	}
	cs = calloc(1, sizeof(*cs));
	if (cs == NULL) {
		return drip_error_nomem(err, sizeof(*cs));
	}
	foreign = iconv_name(name);
	cs->iconv = foreign != NULL ? iconv_open("UTF-8", foreign) : (iconv_t)-1;
	if (cs->iconv == (iconv_t)-1) {
		free(cs);
		drip_error_set(err, -ENOTSUP, "mysql.charset_unsupported",
			       "cannot convert the character set %s", name);
		drip_error_hint(err, "Convert the column to utf8mb4, or leave it out.");
		return -ENOTSUP;
	}
	strncpy(cs->name, name, sizeof(cs->name) - 1);
	cs->single = drip_my_charset_width(name) == 1;
	if (cs->single) {
		fill_table(cs);
	}
	cs->next = v->charsets;
	v->charsets = cs;
	*ret = cs;
	return 0;
}

void drip_my_charsets_free(struct drip_my_values *v)
{
	while (v->charsets != NULL) {
		struct drip_my_charset *cs = v->charsets;

		v->charsets = cs->next;
		iconv_close(cs->iconv);
		free(cs);
	}
}

static size_t convert_single(const struct drip_my_charset *cs, const uint8_t *p, size_t n,
			     uint8_t *out)
{
	uint8_t *o = out;

	for (size_t i = 0; i < n; i++) {
		if (p[i] < 0x80 && cs->ascii) {
			*o++ = p[i];
		} else {
			const uint8_t *entry = cs->bytes[p[i]];

			memcpy(o, entry, entry[3]);
			o += entry[3];
		}
	}
	return (size_t)(o - out);
}

/* `out` has room for 4 bytes for each byte of input. */
static size_t convert_iconv(const struct drip_my_charset *cs, const uint8_t *p, size_t n,
			    uint8_t *out, bool *ret_broken)
{
	char *from = (char *)(uintptr_t)p, *to = (char *)out;
	size_t in_left = n, out_left = n * 4;

	iconv(cs->iconv, NULL, NULL, NULL, NULL);
	while (in_left > 0 && iconv(cs->iconv, &from, &in_left, &to, &out_left) == (size_t)-1) {
		if (errno == E2BIG || out_left < 1) {
			break;
		}
		*ret_broken = true;
		*to++ = '?';
		out_left--;
		if (in_left > 0) {
			from++;
			in_left--;
		}
	}
	return n * 4 - out_left;
}

void drip_my_charset_put(const struct drip_my_cell *c, const uint8_t *p, size_t n)
{
	bool broken = false;
	uint8_t *out;
	size_t size;

	out = drip_append_reserve(c->out, (int64_t)n * 4);
	if (out == NULL) {
		return;
	}
	size = c->charset->single ? convert_single(c->charset, p, n, out)
				  : convert_iconv(c->charset, p, n, out, &broken);
	c->values->broken_text += broken;
	drip_append_written(c->out, (int64_t)size);
}

char *drip_my_charset_text(struct drip_my_charset *cs, const uint8_t *p, size_t n)
{
	bool broken;
	uint8_t *out = n < DRIP_BUILDER_BYTES_MAX / 4 ? malloc(n * 4 + 1) : NULL;
	size_t size;

	if (out == NULL) {
		return NULL;
	}
	if (cs == NULL) {
		memcpy(out, p, n);
		size = n;
	} else {
		size = cs->single ? convert_single(cs, p, n, out)
				  : convert_iconv(cs, p, n, out, &broken);
	}
	out[size] = '\0';
	return (char *)out;
}
