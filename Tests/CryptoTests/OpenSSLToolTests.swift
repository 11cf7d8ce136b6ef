import Crypto
import Foundation
import Glibc
import RTC
import Wire
import XCTest

/// OpenSSL's own command-line client and server, over UDP on the loopback: another DTLS stack's settings than ours, and a real clock.
final class OpenSSLToolTests: XCTestCase {
    private var context: CryptoContext!
    private var peer: Certificate!
    private var folder: URL!

    override func setUpWithError() throws {
        let now = Int64(Date().timeIntervalSince1970)
        context = try CryptoContext(certificate: .selfSigned(unixTime: now))
        peer = try Certificate.selfSigned(commonName: "tool", unixTime: now)
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("waldo-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try peer.pem().write(to: folder.appendingPathComponent("peer.pem"), atomically: true, encoding: .utf8)
    }

    override func tearDown() {
        try? FileManager.default.removeItem(at: folder)
        context = nil
        peer = nil
    }

    func testServerAndClientOfOpenSSLWithBothProfiles() throws {
        XCTAssertTrue(FileManager.default.isExecutableFile(atPath: "/usr/bin/openssl"), "install Debian's package openssl")
        let profiles: [(String, SRTPProfile?)] = [
            ("SRTP_AES128_CM_SHA1_80", .aes128CMHMACSHA1_80), ("SRTP_AEAD_AES_128_GCM", .aeadAES128GCM), ("", nil),
        ]
        for (name, profile) in profiles {
            for role in [DTLSRole.client, .server] {
                let result = try shakeHands(as: role, profile: name)
                XCTAssertTrue(result.isConnected, "\(role) \(name): \(result.failure ?? "no reason")")
                XCTAssertEqual(result.keys?.profile, profile, "\(role) \(name)")
            }
        }
    }

    private struct Outcome {
        var isConnected = false
        var keys: SRTPKeyingMaterial?
        var failure: String?
    }

    private func shakeHands(as role: DTLSRole, profile: String) throws -> Outcome {
        let ours = try UDPSocket(), tools = try UDPSocket()
        let toolPort = tools.port
        tools.close()  // its number is free for the tool now
        let port = role == .client ? toolPort : ours.port
        let file = folder.appendingPathComponent("peer.pem").path
        let tool = Process()
        tool.executableURL = URL(fileURLWithPath: "/usr/bin/openssl")
        let common = ["-dtls1_2", "-cert", file, "-key", file] + (profile.isEmpty ? [] : ["-use_srtp", profile])
        tool.arguments =
            role == .client
            ? ["s_server", "-accept", "127.0.0.1:\(port)", "-Verify", "1"] + common
            : ["s_client", "-connect", "127.0.0.1:\(port)"] + common
        let input = Pipe()
        tool.standardInput = input
        tool.standardOutput = FileHandle.nullDevice
        tool.standardError = FileHandle.nullDevice
        try tool.run()
        defer {
            tool.terminate()
            tool.waitUntilExit()
            ours.close()
        }
        return drive(ours, role, to: role == .client ? port : nil)
    }

    private func drive(_ socket: UDPSocket, _ role: DTLSRole, to port: UInt16?) -> Outcome {
        let endpoint = context.makeDTLS()
        let clock = ContinuousClock(), begin = ContinuousClock.now
        func now() -> Instant {
            let passed = clock.now - begin
            return Instant(nanoseconds: 1 + passed.components.seconds * 1_000_000_000 + passed.components.attoseconds / 1_000_000_000)
        }
        var remote = port
        var outcome = Outcome()
        endpoint.start(role: role, peerFingerprints: [peer.fingerprint()], at: now())
        let limit = now() + .milliseconds(20_000)
        while now() < limit, !outcome.isConnected, outcome.failure == nil {
            if let (bytes, from) = socket.receive(waiting: 20) {
                remote = from
                endpoint.receive(bytes.span, at: now())
            }
            endpoint.advance(to: now())
            while let datagram = endpoint.nextDatagram() { if let remote { socket.send(datagram, to: remote) } }
            while let event = endpoint.nextEvent() {
                switch event {
                case .connected(let keys): (outcome.isConnected, outcome.keys) = (true, keys)
                case .failed(let reason): outcome.failure = reason
                case .data, .closed: break
                }
            }
        }
        return outcome
    }
}

/// A UDP socket on 127.0.0.1 with a port of the kernel's choice.
private final class UDPSocket {
    private let descriptor: Int32
    let port: UInt16

    init() throws {
        descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
        var address = Self.loopback(0)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let descriptor = descriptor
        let done = unsafe withUnsafeMutablePointer(to: &address) {
            unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe bind(descriptor, $0, length) == 0 && getsockname(descriptor, $0, &length) == 0
            }
        }
        guard done else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO) }
        port = UInt16(bigEndian: address.sin_port)
    }

    func close() { _ = Glibc.close(descriptor) }

    func send(_ bytes: [UInt8], to port: UInt16) {
        var address = Self.loopback(port)
        _ = unsafe withUnsafePointer(to: &address) {
            unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe sendto(descriptor, bytes, bytes.count, 0, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }

    func receive(waiting milliseconds: Int32) -> (bytes: [UInt8], from: UInt16)? {
        var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard unsafe poll(&waiting, 1, milliseconds) > 0 else { return nil }
        var bytes = [UInt8](repeating: 0, count: 4096)
        var address = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let count = unsafe withUnsafeMutablePointer(to: &address) {
            unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe recvfrom(descriptor, &bytes, 4096, 0, $0, &length) }
        }
        return count > 0 ? (Array(bytes[..<count]), UInt16(bigEndian: address.sin_port)) : nil
    }

    private static func loopback(_ port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return address
    }
}
