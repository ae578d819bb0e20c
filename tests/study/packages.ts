/**
 * @file The packages that the study's text comes from, and how their documents are found. Debian's archive has them
 * on every machine that has apt; nothing of them is part of Cambium.
 */

export interface TextPackage {
  readonly name: string;
  readonly version: string;
  /** Of the .deb file. */
  readonly sha256: string;
  /** As the package's copyright file names it. */
  readonly licence: string;
  /**
   * `dictionary`: entries of the dictd files NAME.index and NAME.dict.dz. `files`: text files below a folder whose
   * names end with one of `ends`, compressed with gzip or not, without the folders in `without`.
   */
  readonly documents:
    | { readonly kind: 'dictionary'; readonly file: string }
    | {
        readonly kind: 'files';
        readonly folder: string;
        readonly ends: readonly string[];
        readonly without?: readonly string[];
      };
}

const dictionary = (name: string): TextPackage['documents'] => ({
  kind: 'dictionary',
  file: `usr/share/dictd/${name}`,
});

// prettier-ignore
export const textPackages: readonly TextPackage[] = [
  { name: 'dict-gcide', version: '0.48.5+nmu2', licence: 'GPL-2+', sha256: '7b0af5cfde3cbdef5e9d6e78f92ec335ced7c2790f37a40f49bebc6f7347ac0f', documents: dictionary('gcide') },
  { name: 'dict-wn', version: '1:3.0-37', licence: 'WordNet 3.0', sha256: 'ed99e0bf162815dc1cc69de3727eedd7112ddf170badf83dbde26209e0724a8c', documents: dictionary('wn') },
  { name: 'dict-foldoc', version: '20230119-1', licence: 'GFDL-1.1+', sha256: '745cbedb55c2da609cc88ee0284e9d11a67a11ae3709daf7bad0e895ac3294c3', documents: dictionary('foldoc') },
  { name: 'dict-jargon', version: '4.4.7-3.1', licence: 'public domain', sha256: '405f8168d7994ed2cb71407bb95493daec2e9aa66fc0461dafa74a9d6728a8c1', documents: dictionary('jargon') },
  { name: 'linux-doc-6.1', version: '6.1.192-3', licence: 'GPL-2', sha256: 'f18dfe28dcab7bdbf9185be16b9521f5841277a6a96c374a6683a648d5d5fa4f', documents: { kind: 'files', folder: 'usr/share/doc/linux-doc-6.1/Documentation', ends: ['.rst', '.txt'], without: ['translations'] } },
  { name: 'python3.11-doc', version: '3.11.2-6+deb12u9', licence: 'PSF-2', sha256: '5b3594189d6ef9a6963ce0347fd307a1cc67620ad697e144db366070e2e146be', documents: { kind: 'files', folder: 'usr/share/doc/python3.11/html/_sources', ends: ['.txt'] } },
  { name: 'perl-doc', version: '5.36.0-7+deb12u4', licence: 'GPL-1+ or Artistic', sha256: 'f4269cff4576d6f02a6756df842988e58451c7e945b08517dd235531b24e48f8', documents: { kind: 'files', folder: 'usr/share/perl', ends: ['.pod'] } },
  { name: 'git-doc', version: '1:2.39.5-0+deb12u3', licence: 'GPL-2', sha256: '3c89668a11053a6bafade3de1f611f4613db31e082af63f43d8c5b69ad8795ec', documents: { kind: 'files', folder: 'usr/share/doc/git-doc', ends: ['.txt'] } },
];
