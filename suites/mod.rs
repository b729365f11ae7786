//! What S3 must do: one file per feature family. A suite never names a vendor.

mod access;
mod acl;
mod attributes;
mod auth;
mod authorization;
mod bucket;
mod bucket_list;
mod bucket_name;
mod checksum;
mod checksum_config;
mod checksum_copy;
mod checksum_upload;
mod client;
mod conditional;
mod conditional_delete;
mod conditional_read;
mod conditional_write;
mod configuration;
mod consistency;
mod copy;
mod copy_condition;
mod copy_source;
mod cors;
mod cors_answer;
mod customer_key;
mod delete;
mod delete_body;
mod delimiter;
mod encryption;
mod encryption_copy;
mod error;
mod expiry;
mod extension;
mod form;
mod form_policy;
mod grants;
mod history;
mod identity;
mod large;
mod legacy;
mod lifecycle;
mod limit;
mod list_encoding;
mod list_parameter;
mod listing;
mod lock;
mod lock_configuration;
mod lock_state;
mod metadata;
mod multipart;
mod multipart_copy;
mod multipart_list;
mod multipart_property;
mod multipart_race;
mod multipart_request;
mod multipart_size;
mod object;
mod object_name;
mod owner;
mod ownership;
mod pages;
mod pagination;
mod part_number;
mod policy;
mod policy_access;
mod policy_action;
mod policy_condition;
mod policy_document;
mod policy_path;
mod policy_public;
mod presign;
mod propagation;
mod public_access;
mod race;
mod range;
mod reading;
mod register;
mod retention;
mod routing;
mod select;
mod shapes;
mod storage_class;
mod streaming;
mod tag_rule;
mod tagging;
mod trailer;
mod transport;
mod version;
mod versioning;
mod website;

use proofmark::case::Suite;

/// In the order of the report.
const ALL: &[fn() -> Suite] = &[
    object::suite,
    object_name::suite,
    reading::suite,
    large::suite,
    metadata::suite,
    storage_class::suite,
    range::suite,
    part_number::suite,
    conditional::suite,
    conditional_write::suite,
    conditional_delete::suite,
    conditional_read::suite,
    delete::suite,
    delete_body::suite,
    listing::suite,
    delimiter::suite,
    list_encoding::suite,
    list_parameter::suite,
    pagination::suite,
    copy::suite,
    copy_source::suite,
    copy_condition::suite,
    multipart::suite,
    multipart_property::suite,
    multipart_request::suite,
    multipart_size::suite,
    multipart_race::suite,
    multipart_copy::suite,
    multipart_list::suite,
    checksum::suite,
    checksum_config::suite,
    checksum_copy::suite,
    checksum_upload::suite,
    streaming::suite,
    trailer::suite,
    attributes::suite,
    auth::suite,
    authorization::suite,
    legacy::suite,
    presign::suite,
    form::suite,
    form_policy::suite,
    transport::suite,
    routing::suite,
    bucket::suite,
    bucket_name::suite,
    bucket_list::suite,
    owner::suite,
    versioning::suite,
    version::suite,
    history::suite,
    lock_configuration::suite,
    retention::suite,
    lock::suite,
    lock_state::suite,
    tagging::suite,
    tag_rule::suite,
    acl::suite,
    access::suite,
    ownership::suite,
    public_access::suite,
    policy::suite,
    policy_document::suite,
    policy_access::suite,
    policy_path::suite,
    policy_action::suite,
    policy_condition::suite,
    policy_public::suite,
    identity::suite,
    cors::suite,
    cors_answer::suite,
    website::suite,
    encryption::suite,
    encryption_copy::suite,
    customer_key::suite,
    lifecycle::suite,
    expiry::suite,
    configuration::suite,
    extension::suite,
    consistency::suite,
    race::suite,
    register::suite,
    error::suite,
    client::suite,
    limit::suite,
    propagation::suite,
    // Last: there is a server whose parsers do not outlive several of these requests at once.
    select::suite,
];

/// Every suite, in the order of the report.
pub fn all() -> Vec<Suite> {
    ALL.iter().map(|suite| suite()).collect()
}
