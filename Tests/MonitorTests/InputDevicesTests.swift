import Glibc
import Monitor
import Reactor
import TestSupport
import Wire
import XCTest

/// Spec teleop-monitor 8.3. Where there is no /dev/uinput no device can be made: FIFOs stand for them, and what a device would say of itself is
/// given; the kernel's own answers are then not tested.
final class InputDevicesTests: XCTestCase {
    private let folder = "/tmp/hc-input-\(getpid())"
    private enum Happened: Sendable, Equatable {
        case added(String, Bool)
        case bytes(Int, Int)
        case removed
        case missing(String)
        case well
    }

    override func setUp() {
        tearDown()
        XCTAssertEqual(unsafe mkdir(folder, 0o755), 0)
    }

    override func tearDown() {
        for name in (0..<80).map({ "event\($0)" }) + ["js0", "js1", "mouse0"] { unsafe unlink(folder + "/" + name) }
        unsafe rmdir(folder)
    }

    /// Open both ways, so that it has a writer as long as the test wants.
    private func fifo(_ name: String) -> Int32 {
        unsafe mkfifo(folder + "/" + name, 0o644)
        return unsafe open(folder + "/" + name, O_RDWR | O_NONBLOCK)
    }

    private func start(_ loop: Loop, _ log: Log<Happened>, takes: @escaping @Sendable (String) -> Bool = { _ in true }) async -> Held<
        InputDevices
    > {
        let devices = Held<InputDevices>(), folder = folder
        await loop.run { loop in
            devices.value = InputDevices(
                folder: folder, reactor: loop.reactor,
                handlers: InputDevices.Handlers(
                    onAdded: { _, path, description, isJoystick in
                        XCTAssertEqual(description.axes[0], -10...10)
                        log.add(.added(String(path.split(separator: "/").last!), isJoystick))
                        return takes(path)
                    },
                    onBytes: { _, bytes in log.add(.bytes(bytes.count, Int(bytes[0]))) }, onRemoved: { _ in log.add(.removed) },
                    onMissing: { log.add($0.map { .missing($0) } ?? .well) }),
                describe: { _, path, _ in InputDescription(name: path, axes: [0: -10...10], keys: [304]) })
        }
        return devices
    }

    private func stop(_ loop: Loop, _ devices: Held<InputDevices>) async {
        await loop.run { _ in devices.value = nil }
        await loop.stop()
    }

    func testDevicesAreReadAsTheyComeAndGo() async throws {
        let loop = try Loop(), log = Log<Happened>()
        let first = fifo("event0"), mouse = fifo("mouse0")
        let devices = await start(loop, log)
        XCTAssertEqual(log.all, [.added("event0", false)])
        _ = unsafe Glibc.write(first, [UInt8](repeating: 5, count: 48), 48)
        _ = try await log.wait(2)
        XCTAssertEqual(log.all.last, .bytes(48, 5))
        let second = fifo("event7")
        _ = try await log.wait(3)
        XCTAssertEqual(log.all.last, .added("event7", false))
        unsafe unlink(folder + "/event0")
        _ = try await log.wait(4)
        XCTAssertEqual(log.all.last, .removed)
        // The other one breaks, as one that is unplugged.
        close(second)
        _ = try await log.wait(5)
        XCTAssertEqual(log.all.last, .removed)
        for descriptor in [first, mouse] { close(descriptor) }
        await stop(loop, devices)
    }

    func testTheOlderInterfaceCountsOnlyWithoutTheNewer() async throws {
        let loop = try Loop(), log = Log<Happened>()
        let old = fifo("js0")
        let devices = await start(loop, log)
        XCTAssertEqual(log.all, [.added("js0", true)])
        _ = unsafe Glibc.write(old, [UInt8](repeating: 9, count: 16), 16)
        _ = try await log.wait(2)
        XCTAssertEqual(log.all.last, .bytes(16, 9))
        let new = fifo("event0")
        _ = try await log.wait(4)
        XCTAssertEqual(log.all.suffix(2), [.added("event0", false), .removed])
        unsafe unlink(folder + "/event0")
        _ = try await log.wait(6)
        XCTAssertEqual(Array(log.all.suffix(2)), [.removed, .added("js0", true)])
        for descriptor in [old, new] { close(descriptor) }
        await stop(loop, devices)
    }

    func testWhatIsOfNoInterestIsClosedAndNotOpenedAgain() async throws {
        let loop = try Loop(), log = Log<Happened>()
        let keyboard = fifo("event0"), old = fifo("js0")
        let devices = await start(loop, log, takes: { _ in false })
        unsafe chmod(folder + "/event0", 0o600)
        try await Task.sleep(nanoseconds: 100_000_000)
        XCTAssertEqual(log.all, [.added("event0", false)], "nor does the older interface come in its place")
        for descriptor in [keyboard, old] { close(descriptor) }
        await stop(loop, devices)
    }

    func testAMissingFolderIsToldOnceAndLookedForAgain() async throws {
        unsafe rmdir(folder)
        let loop = try Loop(), log = Log<Happened>()
        let devices = await start(loop, log)
        XCTAssertEqual(log.all, [.missing("there is no \(folder)")])
        unsafe mkdir(folder, 0o755)
        let device = fifo("event0")
        try await eventuallyLong("found within 10 s") { log.all.count >= 3 }
        XCTAssertEqual(Array(log.all.suffix(2)), [.added("event0", false), .well])
        close(device)
        await stop(loop, devices)
    }

    private func eventuallyLong(_ what: String, _ condition: () -> Bool) async throws {
        for _ in 0..<1500 {
            if condition() { return }
            try await Task.sleep(nanoseconds: 10_000_000)
        }
        XCTFail(what)
    }

    /// udev sets a node's rights a moment after it is there.
    func testADeviceWithoutRightsIsOpenedWhenItHasThem() async throws {
        let loop = try Loop(), log = Log<Happened>()
        let device = fifo("event0")
        unsafe chmod(folder + "/event0", 0)
        Rights.drop()
        defer { Rights.takeBack() }
        let devices = await start(loop, log)
        XCTAssertEqual(log.all.count, 1)
        guard case .missing(let what)? = log.all.first else { return XCTFail("\(log.all)") }
        XCTAssertTrue(what.contains("usermod -aG input"), what)
        Rights.takeBack()
        unsafe chmod(folder + "/event0", 0o644)
        Rights.drop()
        _ = try await log.wait(3)
        XCTAssertEqual(Array(log.all.suffix(2)), [.added("event0", false), .well])
        close(device)
        await stop(loop, devices)
    }

    func testAtMost64AreOpen() async throws {
        let loop = try Loop(), log = Log<Happened>()
        let descriptors = (0..<70).map { fifo("event\($0)") }
        let devices = await start(loop, log)
        await loop.run { _ in
            XCTAssertEqual(devices.value!.count, 64)
            XCTAssertEqual(devices.value!.refused, 6)
        }
        for descriptor in descriptors { close(descriptor) }
        await stop(loop, devices)
    }

    /// Everything is read of a device that tells a thousand things a second, in fewer wakes.
    func testABusyDeviceIsReadInFewerWakes() async throws {
        let loop = try Loop(), log = Log<Happened>()
        let device = fifo("event0")
        let devices = await start(loop, log)
        for _ in 0..<200 {
            _ = unsafe Glibc.write(device, [UInt8](repeating: 1, count: 24), 24)
            usleep(1000)
        }
        func read() -> Int { log.all.reduce(0) { if case .bytes(let count, _) = $1 { $0 + count } else { $0 } } }
        try await eventually("all is read") { read() == 200 * 24 }
        XCTAssertLessThan(log.all.count, 100)
        close(device)
        await stop(loop, devices)
    }
}
