//! What a service lists: to its end, or not at all.
//!
//! Invariant: a walk comes to an end whatever is answered, and a listing of the part in which the file is missing that says whose the part is, is
//! none: that file was read when the place was opened.

use object_store::ListResult;
use object_store::list::{PaginatedListOptions, PaginatedListStore as _};

use super::{Bucket, BucketError, Patience, Place as _};
use crate::store::place::{MOST_OBJECTS, Object, PlaceError, marker};

/// How many names a page has where nothing else is asked for.
const PAGE_NAMES: usize = 1000;

/// Where one name is looked for, at most so many pages are asked for: other names that begin with it are few.
const LOOKED_PAGES: usize = 100;

/// What is known of an object that is there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    pub(super) size: u64,
}

/// A walk from page to page.
struct Walk<'a> {
    bucket: &'a Bucket,
    what: (&'static str, &'a str),
    patience: Patience,
    prefix: String,
    options: PaginatedListOptions,
    left: usize,
    is_over: bool,
}

impl Walk<'_> {
    fn next(&mut self) -> Result<Option<ListResult>, PlaceError> {
        if self.is_over {
            return Ok(None);
        }
        self.left = self.left.checked_sub(1).ok_or_else(|| strange(self.bucket, "its listing does not come to an end"))?;
        let (prefix, options) = (self.prefix.clone(), self.options.clone());
        let page = self.bucket.ask(self.patience, self.what, move |store| {
            let (prefix, options) = (prefix.clone(), options.clone());
            async move { store.list_paginated(Some(&prefix), options).await }
        })?;
        let next = page.page_token.filter(|token| !token.is_empty());
        if next.is_some() && next == self.options.page_token {
            return Err(strange(self.bucket, "its listing goes on where it was already"));
        }
        self.is_over = next.is_none();
        self.options.page_token = next;
        Ok(Some(page.result))
    }
}

/// It is the service that cannot be understood, and nothing is said of what lies there.
fn strange(bucket: &Bucket, why: &str) -> PlaceError {
    BucketError::Unreachable { url: bucket.shared.url.clone(), why: why.to_owned(), hints: Vec::new() }.into()
}

impl Bucket {
    /// Looks for an object.
    pub(super) fn find(&self, name: &str) -> Result<Option<Found>, PlaceError> {
        let key = self.key(name)?;
        // It comes first where names come in order; where they do not, and where a page is empty that goes on, others are looked at.
        let mut walk = Walk {
            bucket: self,
            what: ("look for", name),
            patience: Patience::Short,
            prefix: key.to_string(),
            options: PaginatedListOptions { max_keys: Some(100), ..Default::default() },
            left: LOOKED_PAGES,
            is_over: false,
        };
        while let Some(page) = walk.next()? {
            if let Some(object) = page.objects.iter().find(|object| object.location == key) {
                return Ok(Some(Found { size: object.size }));
            }
        }
        Ok(None)
    }
}

/// All that has a name in the part.
pub(super) fn all(bucket: &Bucket) -> Result<Vec<Object>, PlaceError> {
    let too_long = || PlaceError::Strange { path: bucket.called(""), what: "longer than any list of copies".to_owned() };
    let mut walk = Walk {
        bucket,
        what: ("list", ""),
        patience: Patience::Long,
        prefix: bucket.part.clone(),
        options: PaginatedListOptions { delimiter: Some("/".into()), ..Default::default() },
        left: 2 * MOST_OBJECTS / PAGE_NAMES,
        is_over: false,
    };
    let (mut objects, mut seen, mut is_ours) = (Vec::new(), 0, false);
    while let Some(page) = walk.next()? {
        seen += page.objects.len() + page.common_prefixes.len();
        if seen > MOST_OBJECTS {
            return Err(too_long());
        }
        for object in page.objects {
            let name = object.location.as_ref().strip_prefix(&*bucket.part).unwrap_or_default();
            is_ours |= name == marker::OWNER;
            if !name.is_empty() && !name.starts_with('.') && !name.contains('/') {
                objects.push(Object { name: name.to_owned(), size: object.size });
            }
        }
    }
    match is_ours {
        true => Ok(objects),
        false => Err(strange(bucket, &format!("its listing leaves out {}, which is there", bucket.called(marker::OWNER)))),
    }
}
