// OpenSSL 3: DTLS, TLS, digests, SRTP primitives.
#pragma once
#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/srtp.h>
#include <openssl/ssl.h>
#include <openssl/sslerr.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

// SHA-1 without EVP, for SRTP's authentication tag: a keyed state is copied by value, where EVP allocates twice a packet and takes 0.12 µs more.
// OpenSSL 3 marks these calls as deprecated; they are there in all of its versions.
#include <openssl/sha.h>
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wdeprecated-declarations"
static inline void sha1_begin(SHA_CTX *state) { SHA1_Init(state); }
static inline void sha1_add(SHA_CTX *state, const void *bytes, size_t count) { SHA1_Update(state, bytes, count); }
static inline void sha1_end(SHA_CTX *state, unsigned char *digest) { SHA1_Final(digest, state); }
#pragma clang diagnostic pop
