import Glibc
import Monitor
import Reactor
import Synchronization
import TestSupport
import Usage
import Wire
import XCTest

/// Spec teleop-monitor, section 12.
final class SharedMemoryTests: XCTestCase {
    private let namespace = "hc-test-\(getpid())"

    override func tearDown() {
        for name in ["_main", "_telemetry"] { unsafe unlink("/dev/shm/" + namespace + name) }
    }

    private let state: JSONObject = ["is_active": true, "operators": ["anna", "bert"], "start_time": nil, "latency_ms": 12.5]

    func testWhatIsWrittenIsReadAndTheNamesGoAtTheEnd() throws {
        let writer = SharedMemoryManager(namespace: namespace), reader = SharedMemoryManager(namespace: namespace)
        XCTAssertThrowsError(try reader.initialize(create: false)) { error in
            XCTAssertEqual(error as? SharedMemoryError, .absent(name: namespace + "_main"))
        }
        try writer.initialize(create: true)
        try reader.initialize(create: false)
        XCTAssertNil(try reader.readState(), "nothing was written yet")
        XCTAssertEqual(try reader.readMetrics(), .init(written: 0, values: []))
        XCTAssertEqual(try reader.readTelemetry(), [])
        XCTAssertTrue(writer.write(state: state))
        writer.write(metrics: [.init("latency_ms", 12.5), .init("fps", 30)])
        for index in 0..<3 { XCTAssertTrue(writer.append(telemetry: [UInt8]("{\"i\":\(index)}".utf8))) }
        var read = try XCTUnwrap(try reader.readState())
        let written = try XCTUnwrap(read["_timestamp_ms"]?.integer)
        XCTAssertLessThan(abs(written - MonotonicClock.unixNanoseconds() / 1_000_000), 2000)
        read["_timestamp_ms"] = nil
        XCTAssertEqual(read, state)
        XCTAssertEqual(try reader.readMetrics().values, [.init("latency_ms", 12.5), .init("fps", 30)])
        XCTAssertEqual(
            try reader.readTelemetry().map { String(decoding: $0.data, as: UTF8.self) }, ["{\"i\":0}", "{\"i\":1}", "{\"i\":2}"])
        XCTAssertFalse(reader.write(state: state), "a reader does not write")
        writer.close()
        XCTAssertThrowsError(try SharedMemoryManager(namespace: namespace).initialize(create: false))
        XCTAssertThrowsError(try writer.readState()) { XCTAssertEqual($0 as? SharedMemoryError, .closed) }
        XCTAssertNotNil(try reader.readState(), "who is attached keeps it")
    }

    /// Another program reads the bytes by the section's table alone.
    func testAnotherProgramFindsEveryByteInItsPlace() async throws {
        let writer = SharedMemoryManager(namespace: namespace)
        try writer.initialize(create: true, bufferSize: 4096)
        writer.write(state: state)
        writer.write(metrics: [.init("latency_ms", 12.5), .init(String(repeating: "ü", count: 20), -1)])
        writer.append(telemetry: [UInt8]("{}".utf8))
        let program = """
            import mmap,os,struct,json,sys
            n='/dev/shm/'+sys.argv[1]
            f=open(n+'_main','rb'); b=mmap.mmap(f.fileno(),0,prot=mmap.PROT_READ)
            assert len(b)==77888, len(b)
            assert os.stat(n+'_main').st_mode&0o777==0o644
            magic,version,created,pid,s1,s2=struct.unpack('>IIQQQQ',b[:40])
            assert (magic,version,pid)==(0x54454C45,1,int(sys.argv[2])), (magic,version,pid)
            assert abs(created-os.stat(n+'_main').st_mtime)<5
            assert (s1,s2)==(2,2) and b[40:64]==bytes(24)
            l=struct.unpack('>I',b[64:68])[0]; s=json.loads(b[68:68+l])
            assert s=={'is_active':True,'operators':['anna','bert'],'start_time':None,'latency_ms':12.5}, s
            t,m=struct.unpack('>QH',b[4152:4162])
            assert m==2 and abs(t/1000-os.stat(n+'_main').st_mtime)<5
            name,value=struct.unpack('>32sd',b[4162:4202])
            assert (name,value)==(b'latency_ms'.ljust(32,bytes(1)),12.5)
            name,value=struct.unpack('>32sd',b[4202:4242])
            assert (name.decode(),value)==('ü'*16,-1)
            c=open(n+'_telemetry','rb').read()
            assert len(c)==12+4096
            w,r,u=struct.unpack('>III',c[:12]); assert (w,r,u)==(14,0,14), (w,r,u)
            t,kind,l=struct.unpack('>dHH',c[12:24]); assert (kind,l,c[24:26])==(1,2,b'{}')
            print('all in place')
            """
        let loop = try Loop(), lines = Log<String>(), ends = Log<Int32>(), python = Held<PluginProcess>()
        try await loop.run { [namespace] loop in
            python.value = try PluginProcess(
                name: "reader", exec: ["python3", "-c", program, namespace, "\(getpid())"], reactor: loop.reactor, log: Logger("test")
            ) { line in
                if case .text(let bytes) = line { lines.add(String(decoding: bytes.array, as: UTF8.self)) }
            } onEnd: {
                ends.add($0)
            }
        }
        let status = try await ends.wait()[0]
        XCTAssertEqual(status, 0)
        XCTAssertEqual(lines.all, ["all in place"])
        await loop.run { _ in python.value = nil }
        await loop.stop()
    }

    /// What one user leaves there in the name of another's process keeps nobody from starting.
    func testNobodySpeaksForAnothersProcess() throws {
        try XCTSkipUnless(geteuid() == 0, "only root may give a file away")
        let path = "/dev/shm/\(namespace)_main"
        let header = MainLayout.header(creation: UInt64(MonotonicClock.unixSeconds()), pid: 1)
        Files.write(path, header + [UInt8](repeating: 0, count: MainLayout.size - header.count))
        XCTAssertEqual(unsafe chown(path, 12_345, 12_345), 0)
        XCTAssertNoThrow(try SharedMemoryManager(namespace: namespace).initialize(create: true))
    }

    func testALivingOwnerIsNotReplacedADeadOneIs() throws {
        let first = SharedMemoryManager(namespace: namespace), second = SharedMemoryManager(namespace: namespace)
        try first.initialize(create: true)
        XCTAssertThrowsError(try second.initialize(create: true)) { error in
            XCTAssertEqual("\(error)", "Shared memory namespace \(namespace) is in use by pid \(getpid())")
        }
        XCTAssertNoThrow(try SharedMemoryManager(namespace: namespace).initialize(create: false))
        first.close()

        // Left by: a pid that nobody has; this one's, from before it was started; nobody; something else entirely.
        let path = "/dev/shm/\(namespace)_main"
        let now = UInt64(MonotonicClock.unixSeconds())
        func left(_ header: [UInt8], _ size: Int = MainLayout.size) {
            Files.write(path, header + [UInt8](repeating: 0, count: size - header.count))
        }
        let cases: [(String, [UInt8], Int)] = [
            ("dead", MainLayout.header(creation: now, pid: 4_194_303), MainLayout.size),
            ("used again", MainLayout.header(creation: 1000, pid: UInt64(getpid())), MainLayout.size),
            ("no pid", MainLayout.header(creation: now, pid: 0), MainLayout.size),
            ("pid too large", MainLayout.header(creation: now, pid: .max), MainLayout.size),
            ("short", [1, 2, 3], 3), ("foreign", [UInt8](repeating: 0x41, count: 100), 100),
        ]
        for (what, header, size) in cases {
            left(header, size)
            XCTAssertNoThrow(try second.initialize(create: true), what)
            XCTAssertNil(try second.readState(), what)
            second.close()
        }
        // Process 1 lives, and is older.
        left(MainLayout.header(creation: now, pid: 1))
        XCTAssertThrowsError(try second.initialize(create: true)) { error in
            XCTAssertEqual(error as? SharedMemoryError, .inUse(namespace: namespace, pid: 1))
        }
    }

    func testClosingDoesNotRemoveWhatAnotherHasMade() throws {
        let first = SharedMemoryManager(namespace: namespace), second = SharedMemoryManager(namespace: namespace)
        try first.initialize(create: true)
        unsafe unlink("/dev/shm/\(namespace)_main")
        try second.initialize(create: true)
        first.close()
        XCTAssertNoThrow(try SharedMemoryManager(namespace: namespace).initialize(create: false))
    }

    func testAttachingChecksSizeMagicAndVersion() throws {
        let path = "/dev/shm/\(namespace)_main"
        let good = MainLayout.header(creation: 1, pid: 1) + [UInt8](repeating: 0, count: MainLayout.size - 64)
        var wrongMagic = good, wrongVersion = good, wrongNumber = good, wrongText = good
        wrongMagic[0] = 0
        wrongVersion[7] = 2
        wrongNumber[MainLayout.metricsOffset + 8] = 1
        wrongText[MainLayout.stateOffset + 3] = 2
        wrongText[MainLayout.stateOffset + 4] = 0x7B
        for (bytes, word) in [(Array(good.dropLast()), "bytes"), (wrongMagic, "magic"), (wrongVersion, "version 1"), ([], "bytes")] {
            Files.write(path, bytes)
            XCTAssertThrowsError(try SharedMemoryManager(namespace: namespace).initialize(create: false)) { error in
                XCTAssertTrue("\(error)".contains(word), "\(error)")
            }
        }
        let reader = SharedMemoryManager(namespace: namespace)
        Files.write(path, wrongNumber)
        try reader.initialize(create: false)
        XCTAssertThrowsError(try reader.readMetrics())
        Files.write(path, wrongText)
        try reader.initialize(create: false)
        XCTAssertThrowsError(try reader.readState())
        // A writer that was killed in the midst.
        var odd = good
        odd[MainLayout.stateSequenceOffset + 7] = 1
        Files.write(path, odd)
        try reader.initialize(create: false)
        XCTAssertThrowsError(try reader.readState()) { XCTAssertEqual($0 as? SharedMemoryError, .unavailable(name: namespace + "_main")) }
    }

    func testNamespacesAreNames() {
        for name in ["", "a/b", "../x", "a b", String(repeating: "x", count: 65), "ü", "a\0b"] {
            XCTAssertThrowsError(try SharedMemoryManager(namespace: name).initialize(create: true)) { error in
                XCTAssertEqual(error as? SharedMemoryError, .namespace(name))
            }
        }
    }

    /// A writer that never rests, a reader that never gets half of one state and half of another.
    func testAReaderNeverSeesHalfOfAState() throws {
        let writer = SharedMemoryManager(namespace: namespace), reader = SharedMemoryManager(namespace: namespace)
        try writer.initialize(create: true, bufferSize: 4096)
        try reader.initialize(create: false)
        let isOver = Flag(), held = Held(writer)
        try WorkerThread.start("shm-writer") {
            var index = 0
            while !isOver.isSet {
                index += 1
                // Each of another length, filled with its own number.
                let text = String(repeating: "\(index % 10)", count: 100 + index % 3000)
                held.value!.write(state: ["n": .integer(Int64(index)), "text": .string(text)])
                held.value!.write(metrics: [MainLayout.Metric](repeating: .init("m", Double(index)), count: 50))
                held.value!.append(telemetry: [UInt8](repeating: UInt8(index % 256), count: 20 + index % 200))
                // As a writer does: much less often than it may be read.
                if index % 4 == 0 { usleep(50) }
            }
            isOver.finish()
        }
        var (states, last, telemetry) = (0, Int64(0), 0)
        let end = MonotonicClock.now() + .seconds(2)
        while MonotonicClock.now() < end {
            if let state = try? reader.readState(), let number = state["n"]?.integer, let text = state["text"]?.string {
                XCTAssertEqual(text.utf8.count, 100 + Int(number) % 3000)
                XCTAssertTrue(text.utf8.allSatisfy { $0 == UInt8(ascii: "0") + UInt8(number % 10) })
                XCTAssertGreaterThanOrEqual(number, last)
                (states, last) = (states + 1, number)
            }
            if let values = try? reader.readMetrics().values { XCTAssertEqual(Set(values.map(\.value)).count, values.isEmpty ? 0 : 1) }
            if let items = try? reader.readTelemetry() {
                telemetry += items.count
                for item in items { XCTAssertLessThanOrEqual(Set(item.data).count, 1) }
                XCTAssertTrue(zip(items, items.dropFirst()).allSatisfy { $0.time <= $1.time })
            }
        }
        isOver.set()
        while !isOver.isFinished { usleep(1000) }
        print("shared memory: \(states) states read, the last of number \(last), \(telemetry) items")
        XCTAssertGreaterThan(states, 100)
        XCTAssertGreaterThan(telemetry, 100)
        held.value = nil
    }

    func testWhatAWriteCosts() throws {
        let writer = SharedMemoryManager(namespace: namespace)
        try writer.initialize(create: true)
        let begin = MonotonicClock.now()
        for _ in 0..<1000 { writer.write(state: state) }
        print("shared memory: a state is written in \(Double((MonotonicClock.now() - begin).nanoseconds) / 1e6) µs")
    }
}

final class Flag: Sendable {
    private let raised = Atomic<Bool>(false), done = Atomic<Bool>(false)
    var isSet: Bool { raised.load(ordering: .acquiring) }
    var isFinished: Bool { done.load(ordering: .acquiring) }
    func set() { raised.store(true, ordering: .releasing) }
    func finish() { done.store(true, ordering: .releasing) }
}
