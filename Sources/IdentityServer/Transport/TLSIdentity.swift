import NIOSSL
import Synchronization

/// The certificate that connections are served with, which can be read anew while the server runs.
final class TLSIdentity: Sendable {
    private let settings: Configuration.TLS
    private let state: Mutex<NIOSSLContext>

    /// Reads certificate and key.
    ///
    /// - Throws: `ConfigurationError` that names the setting at fault.
    init(_ settings: Configuration.TLS) throws(ConfigurationError) {
        self.settings = settings
        state = Mutex(try Self.context(settings))
    }

    /// What a new connection is served with.
    var context: NIOSSLContext { state.withLock { $0 } }

    /// Reads certificate and key again; connections that are open keep what they have.
    ///
    /// - Throws: `ConfigurationError`; the last ones stay in force then.
    func reload() throws(ConfigurationError) {
        let fresh = try Self.context(settings)
        state.withLock { $0 = fresh }
    }

    private static func context(_ settings: Configuration.TLS) throws(ConfigurationError) -> NIOSSLContext {
        let chain: [NIOSSLCertificate]
        do {
            chain = try NIOSSLCertificate.fromPEMFile(settings.certificatePath)
        } catch {
            throw ConfigurationError(
                "tls.certificate is \"\(settings.certificatePath)\", which cannot be read as a chain of PEM "
                    + "certificates: \(error)")
        }
        guard !chain.isEmpty else {
            throw ConfigurationError("tls.certificate is \"\(settings.certificatePath)\", which holds no certificate")
        }
        let key: NIOSSLPrivateKey
        do {
            key = try NIOSSLPrivateKey(file: settings.keyPath, format: .pem)
        } catch {
            throw ConfigurationError(
                "tls.key is \"\(settings.keyPath)\", which cannot be read as a PEM key without a passphrase: \(error)")
        }
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key))
        configuration.minimumTLSVersion = .tlsv12
        configuration.applicationProtocols = ["h2", "http/1.1"]
        do {
            return try NIOSSLContext(configuration: configuration)
        } catch {
            throw ConfigurationError(
                "tls.key is \"\(settings.keyPath)\", which is not the key of the first certificate of tls.certificate: "
                    + "\(error)")
        }
    }
}
