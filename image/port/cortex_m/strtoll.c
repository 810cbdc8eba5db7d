// strtoll (C11 7.22.1.4), which MicroPython's 64-bit integers read their digits with: the base is given, the sign and
// blanks were taken off before, and what does not fit wraps as their arithmetic does.

long long strtoll(const char *restrict text, char **restrict end, int base) {
    unsigned long long value = 0;
    for (;; text++) {
        int digit = *text >= '0' && *text <= '9' ? *text - '0' : (*text | 32) >= 'a' && (*text | 32) <= 'z' ? (*text | 32) - 'a' + 10 : 36;
        if (digit >= base) {
            break;
        }
        value = value * base + digit;
    }
    *end = (char *)text;
    return value;
}
