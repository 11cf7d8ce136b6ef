import Crypto
import HTTP
import Reactor
import Web
import Wire

extension HTTPClient {
    /// A client that speaks https, too. The trusted certificates are read when the first connection needs them.
    public convenience init(
        reactor: Reactor, options: HTTPClientOptions = HTTPClientOptions(), resolver: NameResolver? = nil, trust: TLSTrust
    ) throws(SystemError) {
        var made: TLSClient?
        try self.init(reactor: reactor, options: options, resolver: resolver) { serverName in
            let client = if let made { made } else { try TLSClient(trust: trust, protocols: ["http/1.1"]) }
            made = client
            return try client.makeStream(serverName: serverName)
        }
    }
}
