import Glibc
import Monitor
import Reactor
import TestSupport
import Wire
import XCTest

/// Spec teleop-monitor, section 15: the life of the processes.
final class PluginProcessTests: XCTestCase {
    private struct Heard: Sendable {
        let lines = Log<String>()
        let ends = Log<Int32>()
    }

    private static func start(
        _ loop: isolated Loop, _ exec: [String], _ heard: Heard, environment: [String: String] = [:]
    ) throws -> PluginProcess {
        try PluginProcess(name: "test", exec: exec, environment: environment, reactor: loop.reactor, log: Logger("test")) { line in
            switch line {
            case .text(let bytes): heard.lines.add(String(decoding: bytes.array, as: UTF8.self))
            case .tooLong: heard.lines.add("<too long>")
            }
        } onEnd: {
            heard.ends.add($0)
        }
    }

    private static func shell(_ script: String) -> [String] { ["/bin/sh", "-c", script] }

    func testLinesGoBothWaysAndTheStatusIsTold() async throws {
        let loop = try Loop(), heard = Heard(), plugin = Held<PluginProcess>()
        try await loop.run { loop in
            plugin.value = try Self.start(
                loop, Self.shell("echo \"hello $GREETING\"; read line; echo \"got $line\"; echo oops >&2; printf unfinished; exit 7"),
                heard,
                environment: ["GREETING": "you"])
        }
        let first = try await heard.lines.wait()
        XCTAssertEqual(first, ["hello you"])
        await loop.run { _ in XCTAssertTrue(plugin.value!.send([UInt8]("word".utf8).span)) }
        let status = try await heard.ends.wait()[0]
        XCTAssertEqual(status, 7)
        XCTAssertEqual(heard.lines.all, ["hello you", "got word", "unfinished"])
        await loop.run { _ in
            XCTAssertFalse(plugin.value!.send([1].span), "nobody reads")
            XCTAssertEqual(kill(plugin.value!.pid, 0), -1, "no zombie stays")
            plugin.value = nil
        }
        await loop.stop()
    }

    func testAProgramThatCannotBeRunSaysSo() async throws {
        let loop = try Loop(), heard = Heard()
        try await loop.run { loop in
            XCTAssertThrowsError(try Self.start(loop, ["/nowhere/program"], heard)) { error in
                XCTAssertEqual((error as? SystemError)?.code, ENOENT)
            }
            XCTAssertThrowsError(try Self.start(loop, ["/etc/passwd"], heard)) { XCTAssertEqual(($0 as? SystemError)?.code, EACCES) }
        }
        await loop.stop()
    }

    func testALineThatIsTooLongIsToldAndSkipped() async throws {
        let loop = try Loop(), heard = Heard(), plugin = Held<PluginProcess>()
        try await loop.run { loop in
            plugin.value = try Self.start(
                loop, Self.shell("head -c 16384 /dev/zero | tr '\\0' a; echo; head -c 40000 /dev/zero | tr '\\0' b; echo; echo; echo end"),
                heard)
        }
        _ = try await heard.ends.wait()
        XCTAssertEqual(heard.lines.all, [String(repeating: "a", count: 16384), "<too long>", "end"])
        await loop.run { _ in plugin.value = nil }
        await loop.stop()
    }

    /// Section 15: 2 s until SIGTERM, 1 s more until SIGKILL.
    func testStoppingLeavesTimeAndThenDoesNot() async throws {
        for (script, status, seconds) in [
            ("trap 'exit 3' TERM; echo ready; while :; do sleep 0.05; done", Int32(3), 2.0...2.6),
            ("trap '' TERM; echo ready; while :; do sleep 0.05; done", 137, 3.0...3.6), ("echo ready; read x", 0, 0.0...0.5),
        ] {
            let loop = try Loop(), heard = Heard(), plugin = Held<PluginProcess>()
            try await loop.run { loop in plugin.value = try Self.start(loop, Self.shell(script), heard) }
            _ = try await heard.lines.wait()
            let begin = MonotonicClock.now()
            await loop.run { _ in
                plugin.value!.stop()
                plugin.value!.send([UInt8]("stop".utf8).span)
            }
            let told = try await heard.ends.wait()[0]
            let took = (MonotonicClock.now() - begin).seconds
            XCTAssertEqual(told, status, script)
            XCTAssertTrue(seconds.contains(took), "\(script): \(took) s")
            await loop.run { _ in plugin.value = nil }
            await loop.stop()
        }
    }

    func testAskedToEndItHasASecond() async throws {
        for (script, status, seconds) in [
            ("trap 'exit 3' TERM; echo ready; while :; do sleep 0.05; done", Int32(3), 0.0...0.6),
            ("trap '' TERM; echo ready; while :; do sleep 0.05; done", 137, 1.0...1.6),
        ] {
            let loop = try Loop(), heard = Heard(), plugin = Held<PluginProcess>()
            try await loop.run { loop in plugin.value = try Self.start(loop, Self.shell(script), heard) }
            _ = try await heard.lines.wait()
            let begin = MonotonicClock.now()
            await loop.run { _ in for _ in 0..<2 { plugin.value!.terminate() } }
            let told = try await heard.ends.wait()[0]
            let took = (MonotonicClock.now() - begin).seconds
            XCTAssertEqual(told, status, script)
            XCTAssertTrue(seconds.contains(took), "\(script): \(took) s")
            await loop.run { _ in plugin.value = nil }
            await loop.stop()
        }
    }

    /// A program of our own, which is no plug-in: it may do what this process may, and its errors are not for the log.
    func testAProgramOfOurOwnKeepsItsRightsAndItsErrorsAreHeard() async throws {
        let loop = try Loop(), heard = Heard(), errors = Log<String>(), plugin = Held<PluginProcess>()
        try await loop.run { loop in
            plugin.value = try PluginProcess(
                name: "ours", exec: Self.shell("grep CapBnd /proc/self/status; echo oops >&2"), keepsRights: true, reactor: loop.reactor,
                log: Logger("test")
            ) { line in
                if case .text(let bytes) = line { heard.lines.add(String(decoding: bytes.array, as: UTF8.self)) }
            } onErrorLine: { line in
                if case .text(let bytes) = line { errors.add(String(decoding: bytes.array, as: UTF8.self)) }
            } onEnd: {
                heard.ends.add($0)
            }
        }
        _ = try await heard.ends.wait()
        let own = Files.text("/proc/self/status").split(separator: "\n").first { $0.hasPrefix("CapBnd") }
        XCTAssertEqual(heard.lines.all, [String(try XCTUnwrap(own))])
        XCTAssertEqual(errors.all, ["oops"])
        await loop.run { _ in plugin.value = nil }
        await loop.stop()
    }

    func testItsChildrenEndWithIt() async throws {
        let loop = try Loop(), heard = Heard(), plugin = Held<PluginProcess>()
        try await loop.run { loop in plugin.value = try Self.start(loop, Self.shell("sleep 100 & echo $!; sleep 100"), heard) }
        let line = try await heard.lines.wait()[0]
        let child = try XCTUnwrap(Int32(line))
        XCTAssertEqual(kill(child, 0), 0)
        let pid = await loop.run { _ in plugin.value!.pid }
        await loop.run { _ in plugin.value = nil }
        XCTAssertEqual(kill(pid, 0), -1, "taken up when it is let go of")
        try await eventually("no child") { Self.isGone(child) }
        await loop.stop()
    }

    /// A killed orphan may stay a zombie of a machine whose first process takes none up.
    private static func isGone(_ pid: Int32) -> Bool {
        let stat = Files.text("/proc/\(pid)/stat")
        return stat.isEmpty || stat.contains(") Z ")
    }

    /// Section 15: plug-ins do not inherit the packet-capture right; nothing else is inherited either.
    func testAPluginHasNoRightToCaptureAndNoDescriptors() async throws {
        let loop = try Loop(), heard = Heard(), plugin = Held<PluginProcess>()
        let leaked = unsafe open("/dev/null", O_RDONLY)
        defer { close(leaked) }
        try await loop.run { loop in
            plugin.value = try Self.start(
                loop,
                Self.shell(
                    "grep -E 'Cap(Inh|Prm|Eff|Bnd|Amb)|SigBlk|SigIgn' /proc/self/status | tr -d '\\t'; ls /proc/$$/fd | tr '\\n' ' '"),
                heard)
        }
        _ = try await heard.ends.wait()
        let lines = heard.lines.all
        XCTAssertEqual(lines.count, 8)
        for line in lines.dropLast() {
            let parts = line.split(separator: ":"), value = try XCTUnwrap(UInt64(parts[1], radix: 16), line)
            if line.hasPrefix("Cap") { XCTAssertEqual(value & 1 << 13, 0, "CAP_NET_RAW in \(line)") }
            // 32 and 33 are the C library's own, which it sets for nobody.
            let signals = line.hasPrefix("Sig") ? value & ~(3 << 31) : 0
            if line.hasPrefix("CapInh") || line.hasPrefix("CapAmb") { XCTAssertEqual(value, 0, line) }
            XCTAssertEqual(signals, 0, line)
        }
        XCTAssertEqual(lines.last?.split(separator: " ").prefix(3), ["0", "1", "2"])
        XCTAssertFalse(lines.last?.split(separator: " ").contains("\(leaked)") ?? true, lines.last ?? "")
        await loop.run { _ in plugin.value = nil }
        await loop.stop()
    }

    func testWhatNobodyReadsIsBounded() async throws {
        let loop = try Loop(), heard = Heard(), plugin = Held<PluginProcess>()
        try await loop.run { loop in plugin.value = try Self.start(loop, Self.shell("echo ready; sleep 100"), heard) }
        _ = try await heard.lines.wait()
        let taken = await loop.run { _ in
            let line = [UInt8](repeating: 65, count: 1023)
            var taken = 0
            while taken < 10_000, plugin.value!.send(line.span) { taken += 1 }
            return taken
        }
        // 64 KiB of the pipe and 64 KiB here.
        XCTAssertTrue((120...130).contains(taken), "\(taken) KiB")
        await loop.run { _ in
            plugin.value!.kill()
        }
        let status = try await heard.ends.wait()[0]
        XCTAssertEqual(status, 137)
        await loop.run { _ in plugin.value = nil }
        await loop.stop()
    }

    func testOnlySoMuchIsReadOfWhoWritesWithoutEnd() async throws {
        let loop = try Loop(), heard = Log<Int>(), plugin = Held<PluginProcess>()
        try await loop.run { loop in
            plugin.value = try PluginProcess(name: "yes", exec: ["yes", "x"], reactor: loop.reactor, log: Logger("test")) { _ in
                heard.add(1)
            } onEnd: { _ in
            }
        }
        try await Task.sleep(nanoseconds: 1_000_000_000)
        await loop.run { _ in plugin.value = nil }
        // Two bytes a line, 1.3 MB a second.
        XCTAssertLessThan(heard.all.count, 1_500_000)
        XCTAssertGreaterThan(heard.all.count, 10_000)
        await loop.stop()
    }
}
