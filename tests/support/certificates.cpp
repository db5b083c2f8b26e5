#include "support/certificates.hpp"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <stdexcept>

namespace flashsale::test {
namespace {

template <auto function>
struct Free {
  template <class T>
  void operator()(T* object) const {
    function(object);
  }
};
using KeyPtr = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;
using CertificatePtr = std::unique_ptr<X509, Free<X509_free>>;
using FilePtr = std::unique_ptr<std::FILE, Free<std::fclose>>;

constexpr long kDay = 86'400;

void must(bool held, const char* what) {
  if (!held) throw std::runtime_error(std::string("certificates: ") + what);
}

void extend(X509* made, X509* issuer, int kind, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, made, nullptr, nullptr, 0);
  X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str());
  must(extension != nullptr && X509_add_ext(made, extension, -1) == 1, "an extension");
  X509_EXTENSION_free(extension);
}

KeyPtr read_key(const std::string& path) {
  const FilePtr file(std::fopen(path.c_str(), "r"));
  must(file != nullptr, "opening a key");
  return KeyPtr(PEM_read_PrivateKey(file.get(), nullptr, nullptr, nullptr));
}

CertificatePtr read_certificate(const std::string& path) {
  const FilePtr file(std::fopen(path.c_str(), "r"));
  must(file != nullptr, "opening a certificate");
  return CertificatePtr(PEM_read_X509(file.get(), nullptr, nullptr, nullptr));
}

/// Signed by `signer`, or by itself as an authority where there is none.
Certificate make(const std::string& stem, const Certificate* signer, const std::string& names, long from_now_s,
                 int serial) {
  const KeyPtr key(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"));
  const CertificatePtr made(X509_new());
  must(key && made, "a key");
  X509_set_version(made.get(), 2);
  ASN1_INTEGER_set(X509_get_serialNumber(made.get()), serial);
  X509_gmtime_adj(X509_getm_notBefore(made.get()), from_now_s);
  X509_gmtime_adj(X509_getm_notAfter(made.get()), from_now_s + kDay);
  X509_set_pubkey(made.get(), key.get());
  const std::string name = signer == nullptr ? "flashsale test authority" : "flashsale test";
  X509_NAME_add_entry_by_txt(X509_get_subject_name(made.get()), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  KeyPtr signing;
  if (signer == nullptr) {
    X509_set_issuer_name(made.get(), X509_get_subject_name(made.get()));
    extend(made.get(), made.get(), NID_basic_constraints, "critical,CA:TRUE");
    must(X509_sign(made.get(), key.get(), EVP_sha256()) > 0, "signing");
  } else {
    const CertificatePtr issuer = read_certificate(signer->certificate);
    signing = read_key(signer->key);
    X509_set_issuer_name(made.get(), X509_get_subject_name(issuer.get()));
    extend(made.get(), issuer.get(), NID_subject_alt_name, names);
    must(X509_sign(made.get(), signing.get(), EVP_sha256()) > 0, "signing");
  }
  const Certificate files{stem + ".crt", stem + ".key"};
  const FilePtr certificate_file(std::fopen(files.certificate.c_str(), "w"));
  const FilePtr key_file(std::fopen(files.key.c_str(), "w"));
  must(certificate_file && key_file, "opening the files");
  must(PEM_write_X509(certificate_file.get(), made.get()) == 1, "writing the certificate");
  must(PEM_write_PrivateKey(key_file.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1, "writing the key");
  return files;
}

}  // namespace

Authority::Authority() {
  dir_ = (std::filesystem::temp_directory_path() / "flashsale-tls-XXXXXX").string();
  must(mkdtemp(dir_.data()) != nullptr, "a temporary folder");
  own_ = make(dir_ + "/authority", nullptr, {}, -3600, 1);
}

Authority::~Authority() {
  std::error_code ignored;
  std::filesystem::remove_all(dir_, ignored);
}

Certificate Authority::issue(const std::string& names, long from_now_s) {
  ++count_;
  return make(dir_ + "/" + std::to_string(count_), &own_, names, from_now_s, count_ + 1);
}

std::vector<std::string> tls_arguments(const Authority& authority, const Certificate& certificate) {
  return {"--tls-cert-file",    certificate.certificate,
          "--tls-key-file",     certificate.key,
          "--tls-ca-cert-file", authority.file(),
          "--tls-auth-clients", "no",
          "--tls-replication",  "yes",
          "--tls-cluster",      "yes"};
}

}  // namespace flashsale::test
