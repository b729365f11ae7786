//! The request shapes of SDK generations, header for header: what the suite `client` sends.
//!
//! Seen, as these clients sent them to a server that wrote them down: boto3 1.35 and 1.43 (1.36 began its shape), Java v1 and v2.30, each with
//! TLS and without; Go v2, JavaScript v3, the CRT, minio-go, also with trailers; `when_required` of boto3 and JavaScript. Derived from such a
//! shape and the client's sources: AWS CLI v2, mountpoint, `when_required` of Java and Go. From sources alone: rclone. A new generation is a
//! new entry of [`GENERATIONS`].

use proofmark::case::values::{crc32_base64, crc32c_base64, crc64nvme_base64};

/// Names and values of headers.
pub type Headers = &'static [(&'static str, &'static str)];

/// A checksum that a client computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// CRC32, the default since 2025.
    Crc32,
    /// CRC32C: mountpoint.
    Crc32c,
    /// CRC64NVME: the CRT's and the CLI's default.
    Crc64Nvme,
}

impl Algorithm {
    /// `CRC32`.
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Crc32 => "CRC32",
            Algorithm::Crc32c => "CRC32C",
            Algorithm::Crc64Nvme => "CRC64NVME",
        }
    }
    /// The header or trailer that carries it.
    pub fn header(self) -> String {
        format!("x-amz-checksum-{}", self.name().to_ascii_lowercase())
    }
    pub fn of(self, body: &[u8]) -> String {
        match self {
            Algorithm::Crc32 => crc32_base64(body),
            Algorithm::Crc32c => crc32c_base64(body),
            Algorithm::Crc64Nvme => crc64nvme_base64(body),
        }
    }
}

/// What goes with a body that is sent in one piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sum {
    None,
    /// Content-MD5.
    Md5,
    /// A checksum header.
    Header(Algorithm),
}

/// How an object's bytes are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upload {
    /// In one piece whose SHA-256 is signed.
    Signed(Sum),
    /// In one piece with UNSIGNED-PAYLOAD.
    Unsigned(Sum),
    /// aws-chunked with signed chunks; Content-Encoding tells it or not.
    SignedChunks { size: usize, announced: bool, trailer: Option<Algorithm> },
    /// aws-chunked with an unsigned trailer; inside HTTP chunks or with a Content-Length.
    Trailer { size: usize, algorithm: Algorithm, http_chunks: HttpChunks },
}

/// What is around an aws-chunked body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpChunks {
    /// A Content-Length.
    None,
    /// HTTP chunks that hold whole lines and data.
    Whole,
    /// One HTTP chunk for each line and each piece of data, as Node's streams write them.
    Lines,
}

/// A client of one time.
#[derive(Debug, Clone, Copy)]
pub struct Generation {
    /// In case ids.
    pub id: &'static str,
    /// In the report.
    pub name: &'static str,
    /// User-Agent.
    pub agent: &'static str,
    /// Further headers of each request.
    pub always: Headers,
    /// Headers that its signature leaves out.
    pub unsigned: &'static [&'static str],
    /// Whether it appends `x-id=Operation` where SDKs do.
    pub x_id: bool,
    /// How PutObject and UploadPart send bytes.
    pub upload: Upload,
    /// Further headers of PutObject and UploadPart.
    pub upload_headers: Headers,
    /// Whether PutObject and UploadPart wait for `100 Continue`.
    pub expects_continue: bool,
    /// Further headers of CreateMultipartUpload.
    pub create: Headers,
    /// Whether the completion lists the checksum of each part.
    pub lists_part_sums: bool,
    /// Further headers of GetObject.
    pub get: Headers,
    /// Query of ListObjectsV2, without its prefix.
    pub list: &'static str,
    /// What goes with the XML of DeleteObjects; `None` where the client deletes one by one.
    pub delete: Option<Sum>,
    /// Whether requests other than uploads sign their body, too.
    pub signs_bodies: bool,
    /// Whether its XML names the S3 namespace.
    pub names_namespace: bool,
    /// Whether requests name the algorithm of their checksum in x-amz-sdk-checksum-algorithm.
    pub names_algorithm: bool,
}

const KIB: usize = 1 << 10;
const CHECKED: Headers = &[("x-amz-checksum-mode", "ENABLED")];
const OCTETS: Headers = &[("Content-Type", "application/octet-stream")];
const CRC32: Headers = &[("x-amz-checksum-algorithm", "CRC32")];
const CRC32C: Headers = &[("x-amz-checksum-algorithm", "CRC32C")];
const CRC64NVME: Headers = &[("x-amz-checksum-algorithm", "CRC64NVME")];

const BOTO: Headers =
    &[("Accept-Encoding", "identity"), ("amz-sdk-invocation-id", "2f6f0c5e-6a0e-4a52-9f29-0a5f1a5f4a10"), ("amz-sdk-request", "attempt=1")];
const BOTO_UNSIGNED: &[&str] = &[
    "accept-encoding",
    "amz-sdk-invocation-id",
    "amz-sdk-request",
    "authorization",
    "content-length",
    "expect",
    "transfer-encoding",
    "user-agent",
    "x-amzn-trace-id",
];
const JS: Headers = &[
    ("x-amz-user-agent", "aws-sdk-js/3.1168.0"),
    ("amz-sdk-invocation-id", "d3226347-0f06-4454-a794-d5e77cecb249"),
    ("amz-sdk-request", "attempt=1; max=3"),
    ("Connection", "keep-alive"),
];
const JS_UNSIGNED: &[&str] = &["authorization", "connection", "expect", "transfer-encoding", "user-agent", "x-amzn-trace-id"];
const GO: Headers =
    &[("Accept-Encoding", "identity"), ("amz-sdk-invocation-id", "7ae738ca-eee3-4994-9693-b1b4dd6a675a"), ("amz-sdk-request", "attempt=1; max=3")];
const GO_UNSIGNED: &[&str] = &["authorization", "expect", "transfer-encoding", "user-agent", "x-amzn-trace-id"];
const MINIO: Headers = &[("Accept-Encoding", "gzip")];
const MINIO_UNSIGNED: &[&str] = &["accept-encoding", "authorization", "content-length", "user-agent"];
const JAVA_1: Headers = &[
    ("amz-sdk-invocation-id", "8a0a9ad0-44ec-1b1c-8f53-6a2bd1a2a0c3"),
    ("amz-sdk-retry", "0/0/500"),
    ("amz-sdk-request", "attempt=1;max=4"),
    ("Connection", "Keep-Alive"),
];
const JAVA_1_UNSIGNED: &[&str] = &["authorization", "connection", "expect", "x-amzn-trace-id"];
const JAVA_2: Headers =
    &[("amz-sdk-invocation-id", "a7d3f5a0-9f52-4b3e-bd4c-0d6a1f1c8e11"), ("amz-sdk-request", "attempt=1; max=4"), ("Connection", "Keep-Alive")];
const JAVA_2_UNSIGNED: &[&str] = &["authorization", "connection", "expect", "transfer-encoding", "user-agent", "x-amzn-trace-id"];
const CRT_UNSIGNED: &[&str] = &["authorization", "connection", "expect", "transfer-encoding", "user-agent", "x-amzn-trace-id"];

const BOTO_1_35: Generation = Generation {
    id: "boto3_1_35",
    name: "boto3 1.35",
    agent: "Boto3/1.35.99 md/Botocore#1.35.99 ua/2.0 os/linux#6.1 md/arch#x86_64 lang/python#3.11.7 md/pyimpl#CPython cfg/retry-mode#legacy Botocore/1.35.99",
    always: BOTO,
    unsigned: BOTO_UNSIGNED,
    x_id: false,
    upload: Upload::Unsigned(Sum::Md5),
    upload_headers: &[],
    expects_continue: true,
    create: &[],
    lists_part_sums: false,
    get: &[],
    list: "list-type=2&encoding-type=url",
    delete: Some(Sum::Md5),
    signs_bodies: true,
    names_namespace: true,
    names_algorithm: false,
};
const BOTO_1_36: Generation = Generation {
    id: "boto3_1_36",
    name: "boto3 1.36",
    agent: "Boto3/1.36.26 md/Botocore#1.36.26 ua/2.1 os/linux#6.1 md/arch#x86_64 lang/python#3.11.7 md/pyimpl#CPython m/Z,D,N,b,e,U cfg/retry-mode#legacy Botocore/1.36.26",
    upload: Upload::Trailer { size: 1024 * KIB, algorithm: Algorithm::Crc32, http_chunks: HttpChunks::Whole },
    create: CRC32,
    lists_part_sums: true,
    get: CHECKED,
    delete: Some(Sum::Header(Algorithm::Crc32)),
    names_algorithm: true,
    ..BOTO_1_35
};
const JAVA_V1: Generation = Generation {
    id: "java_v1",
    name: "AWS SDK for Java v1",
    agent: "aws-sdk-java/1.12.780 Linux/6.1 OpenJDK_64-Bit_Server_VM/17.0.15+6 java/17.0.15 vendor/Debian cfg/retry-mode/legacy cfg/auth-source#unknown",
    always: JAVA_1,
    unsigned: JAVA_1_UNSIGNED,
    x_id: false,
    upload: Upload::Unsigned(Sum::None),
    upload_headers: OCTETS,
    expects_continue: true,
    create: OCTETS,
    lists_part_sums: false,
    get: &[("Content-Type", "application/octet-stream"), ("Content-Length", "0")],
    list: "list-type=2&fetch-owner=false",
    delete: Some(Sum::Md5),
    signs_bodies: false,
    names_namespace: false,
    names_algorithm: false,
};
const JAVA_V2_30: Generation = Generation {
    id: "java_v2_30",
    name: "AWS SDK for Java v2.30",
    agent: "aws-sdk-java/2.30.38 md/io#sync md/http#Apache ua/2.1 os/Linux#6.1 lang/java#17.0.15 cfg/auth-source#stat m/D,N,N",
    always: JAVA_2,
    unsigned: JAVA_2_UNSIGNED,
    upload: Upload::Trailer { size: 128 * KIB, algorithm: Algorithm::Crc32, http_chunks: HttpChunks::None },
    create: &[("Content-Type", "binary/octet-stream")],
    get: &[("x-amz-checksum-crc32", "AAAAAA=="), ("x-amz-te", "append-md5")],
    list: "list-type=2",
    delete: Some(Sum::Header(Algorithm::Crc32)),
    names_namespace: true,
    names_algorithm: true,
    ..JAVA_V1
};
const GO_V2: Generation = Generation {
    id: "go_v2",
    name: "AWS SDK for Go v2",
    agent: "aws-sdk-go-v2/1.47.7 ua/2.1 os/linux lang/go#1.26.8 md/GOOS#linux md/GOARCH#amd64 api/s3#1.114.8 m/Z,e",
    always: GO,
    unsigned: GO_UNSIGNED,
    x_id: true,
    upload: Upload::Trailer { size: usize::MAX, algorithm: Algorithm::Crc32, http_chunks: HttpChunks::None },
    upload_headers: OCTETS,
    expects_continue: false,
    create: CRC32,
    lists_part_sums: true,
    get: CHECKED,
    list: "list-type=2",
    delete: Some(Sum::Header(Algorithm::Crc32)),
    signs_bodies: true,
    names_namespace: true,
    names_algorithm: false,
};
const JS_V3: Generation = Generation {
    id: "js_v3",
    name: "AWS SDK for JavaScript v3",
    agent: "aws-sdk-js/3.1168.0 ua/2.1 os/linux#6.1 lang/js md/nodejs#20.20.2 api/s3#3.1168.0 m/N,Z,b,U,E,e",
    always: JS,
    unsigned: JS_UNSIGNED,
    upload: Upload::Signed(Sum::Header(Algorithm::Crc32)),
    create: &[],
    lists_part_sums: false,
    names_algorithm: true,
    ..GO_V2
};
const CRT: Generation = Generation {
    id: "crt",
    name: "AWS CRT (aws-c-s3)",
    agent: "CRTS3NativeClient/1.3.0 platform/unknown",
    always: &[],
    unsigned: CRT_UNSIGNED,
    x_id: false,
    upload: Upload::Trailer { size: 64 * KIB, algorithm: Algorithm::Crc64Nvme, http_chunks: HttpChunks::None },
    create: CRC64NVME,
    get: &[("Range", "bytes=0-65535"), ("x-amz-checksum-mode", "enabled")],
    signs_bodies: false,
    ..GO_V2
};
const MINIO_GO: Generation = Generation {
    id: "minio_go",
    name: "minio-go",
    agent: "MinIO (linux; amd64) minio-go/v7.4.1",
    always: MINIO,
    unsigned: MINIO_UNSIGNED,
    x_id: false,
    upload: Upload::Unsigned(Sum::None),
    create: OCTETS,
    lists_part_sums: false,
    get: &[],
    list: "delimiter=&encoding-type=url&fetch-owner=true&list-type=2",
    delete: Some(Sum::Md5),
    names_namespace: false,
    ..GO_V2
};

/// Every generation. Those that name no transport are as over TLS, whatever the endpoint's.
pub const GENERATIONS: &[Generation] = &[
    BOTO_1_35,
    BOTO_1_36,
    Generation {
        id: "boto3_1_36_plain_http",
        name: "boto3 1.36 over plain HTTP",
        upload: Upload::Signed(Sum::Header(Algorithm::Crc32)),
        ..BOTO_1_36
    },
    Generation {
        id: "boto3_1_36_when_required",
        name: "boto3 1.36 with when_required",
        upload: Upload::Signed(Sum::None),
        create: &[],
        lists_part_sums: false,
        get: &[],
        ..BOTO_1_36
    },
    Generation {
        id: "aws_cli_v2",
        name: "AWS CLI v2",
        agent: "aws-cli/2.31.0 md/awscrt#0.27.6 ua/2.1 os/linux#6.1 md/arch#x86_64 lang/python#3.13.7 md/pyimpl#CPython m/E,Z,b,C,N cfg/retry-mode#standard md/installer#exe md/command#s3.cp",
        upload: Upload::Trailer { size: 1024 * KIB, algorithm: Algorithm::Crc64Nvme, http_chunks: HttpChunks::Whole },
        create: CRC64NVME,
        ..BOTO_1_36
    },
    JAVA_V1,
    Generation {
        id: "java_v1_plain_http",
        name: "AWS SDK for Java v1 over plain HTTP",
        upload: Upload::SignedChunks { size: 128 * KIB, announced: false, trailer: None },
        signs_bodies: true,
        ..JAVA_V1
    },
    JAVA_V2_30,
    Generation {
        id: "java_v2_30_plain_http",
        name: "AWS SDK for Java v2.30 over plain HTTP",
        upload: Upload::SignedChunks { size: 128 * KIB, announced: true, trailer: Some(Algorithm::Crc32) },
        signs_bodies: true,
        ..JAVA_V2_30
    },
    Generation {
        id: "java_v2_30_when_required",
        name: "AWS SDK for Java v2.30 with when_required",
        upload: Upload::Unsigned(Sum::None),
        get: &[],
        ..JAVA_V2_30
    },
    GO_V2,
    Generation {
        id: "go_v2_when_required",
        name: "AWS SDK for Go v2 with when_required",
        upload: Upload::Unsigned(Sum::None),
        create: &[],
        lists_part_sums: false,
        get: &[],
        ..GO_V2
    },
    JS_V3,
    Generation {
        id: "js_v3_stream",
        name: "AWS SDK for JavaScript v3 with streams",
        upload: Upload::Trailer { size: 64 * KIB, algorithm: Algorithm::Crc32, http_chunks: HttpChunks::Lines },
        ..JS_V3
    },
    Generation {
        id: "js_v3_stream_when_required",
        name: "AWS SDK for JavaScript v3 with streams and when_required",
        upload: Upload::Unsigned(Sum::None),
        get: &[],
        ..JS_V3
    },
    CRT,
    Generation {
        id: "mountpoint",
        name: "mountpoint-s3",
        agent: "mountpoint-s3/1.21.0 mountpoint-s3-client/0.19.3 CRTS3NativeClient/0.1.x platform/linux",
        upload: Upload::Trailer { size: 64 * KIB, algorithm: Algorithm::Crc32c, http_chunks: HttpChunks::None },
        create: CRC32C,
        ..CRT
    },
    MINIO_GO,
    Generation {
        id: "minio_go_plain_http",
        name: "minio-go over plain HTTP",
        upload: Upload::SignedChunks { size: 64 * KIB, announced: true, trailer: None },
        ..MINIO_GO
    },
    Generation {
        id: "minio_go_trailing_headers",
        name: "minio-go with trailing headers",
        upload: Upload::SignedChunks { size: 64 * KIB, announced: true, trailer: Some(Algorithm::Crc32c) },
        create: CRC32C,
        lists_part_sums: true,
        ..MINIO_GO
    },
    Generation {
        id: "rclone",
        name: "rclone",
        agent: "rclone/v1.69.1",
        upload: Upload::Unsigned(Sum::Md5),
        upload_headers: &[("Content-Type", "application/octet-stream"), ("x-amz-meta-mtime", "1748608111.123456789")],
        create: &[("Content-Type", "application/octet-stream"), ("x-amz-meta-mtime", "1748608111.123456789")],
        lists_part_sums: false,
        get: &[],
        list: "delimiter=&encoding-type=url&list-type=2&max-keys=1000",
        delete: None,
        ..GO_V2
    },
];
